"""Which language a text is in."""

import pytest

from stages.rewards.scripts import is_in, language_code

TEXTS = {
    "en": "The weather is fine today, and we are going to the market with the children.",
    "fr": "Le temps est beau aujourd'hui et nous allons au marché avec les enfants dans la ville.",
    "de": "Das Wetter ist heute schön, und wir gehen mit den Kindern auf den Markt in der Stadt.",
    "es": "El tiempo es bueno hoy y vamos al mercado con los niños en el centro de la ciudad.",
    "it": "Il tempo è bello oggi e andiamo al mercato con i bambini nel centro della città che amo.",
    "pt": "O tempo está bom hoje e nós vamos ao mercado com as crianças da cidade que não para.",
    "nl": "Het weer is vandaag mooi en wij gaan met de kinderen naar de markt van de stad.",
    "zh": "今天天气很好，我们带孩子们去市场。",
    "ja": "今日は天気がいいので、子供たちと市場に行きます。",
    "ko": "오늘은 날씨가 좋아서 아이들과 함께 시장에 갑니다.",
    "ru": "Сегодня хорошая погода, и мы идём с детьми на рынок.",
    "ar": "الطقس جميل اليوم ونحن ذاهبون إلى السوق مع الأطفال.",
    "el": "Ο καιρός είναι καλός σήμερα και πάμε στην αγορά με τα παιδιά.",
    "hi": "आज मौसम अच्छा है और हम बच्चों के साथ बाज़ार जा रहे हैं।",
}


@pytest.mark.parametrize("language", TEXTS)
def test_each_text_is_in_its_language_alone(language: str) -> None:
    assert [other for other in TEXTS if is_in(TEXTS[language], other)] == [language]


def test_names_numbers_and_maths_decide_nothing() -> None:
    assert is_in("2 + 2 = 4", "zh") and is_in("", "de")
    assert is_in("他在 OpenAI 和 Google 工作了很多年，住在旧金山", "zh")
    assert is_in("因此 $x = \\frac{a}{b}$ 成立", "zh")
    assert is_in("Berlin", "de") and is_in("Xin chào, tôi là Anna", "vi")


@pytest.mark.parametrize(
    ("name", "code"),
    [("zh", "zh"), ("ZH-Hans", "zh"), ("zho_Hans", "zh"), ("Chinese", "zh"), ("english", "en"), ("eng_Latn", "en"), ("pt_BR", "pt"), ("xx", ""), ("", ""), ("Elvish", "")],
)  # fmt: skip
def test_languages_are_named_in_several_ways(name: str, code: str) -> None:
    assert language_code(name) == code
