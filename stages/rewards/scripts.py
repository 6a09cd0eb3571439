"""Which language an answer is in, as far as the letters that it is written in and its commonest words tell.

A language is known by its ISO 639-1 code. Text is compared by its script; languages that share the Latin script are told
apart by their function words, of which every few sentences have many.

What is not covered: other languages of one script (Russian and Bulgarian; Danish and Norwegian by their function words),
Latin ones without a list below (any Latin text passes for them), and texts of a few words.
"""

import re
from collections import Counter

from stages.rewards.language import HAN, prose

_NAMES = {
    "en": "english", "zh": "chinese", "fr": "french", "de": "german", "es": "spanish", "it": "italian",
    "pt": "portuguese", "nl": "dutch", "pl": "polish", "sv": "swedish", "da": "danish", "no": "norwegian",
    "fi": "finnish", "cs": "czech", "ro": "romanian", "hu": "hungarian", "tr": "turkish", "vi": "vietnamese",
    "id": "indonesian", "ru": "russian", "uk": "ukrainian", "bg": "bulgarian", "el": "greek", "he": "hebrew",
    "ar": "arabic", "fa": "persian", "hi": "hindi", "th": "thai", "ja": "japanese", "ko": "korean",
}  # fmt: skip
_CYRILLIC, _ARABIC = "\u0400-\u052f", "\u0600-\u06ff\u0750-\u077f\ufb50-\ufdff\ufe70-\ufeff"
_LETTERS = {
    "zh": HAN, "ja": f"{HAN}\u3040-\u30ff\u31f0-\u31ff", "ko": "\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3",
    "ru": _CYRILLIC, "uk": _CYRILLIC, "bg": _CYRILLIC, "el": "\u0370-\u03ff\u1f00-\u1fff", "he": "\u0590-\u05ff",
    "ar": _ARABIC, "fa": _ARABIC, "hi": "\u0900-\u097f", "th": "\u0e00-\u0e7f",
}  # fmt: skip
_LATIN = "A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_ANY = re.compile(r"[^\W\d_]")
_KANA = re.compile("[\u3041-\u30fa]")
_FUNCTION = {
    "en": "the of and to is in that was for with are this it you have be not as by from on at he she they his per so",
    "fr": "le la les des et est une dans pour que qui du sur pas vous nous avec au",
    "de": "der das und ist nicht ein eine ich sie mit den von zu dem auf für es wir",
    "es": "el los las que y en es una por con del para lo más como su",
    "it": "il di che la una sono con del della gli è si nel anche i",
    "pt": "os que do da em uma para com não dos mais é das ao foi na",
    "nl": "de het een van dat niet ik voor met zijn aan er ook wij naar",
}
_WORDS = {language: frozenset(words.split()) for language, words in _FUNCTION.items()}
_CODE = re.compile(r"([a-z]{2,3})(?:[-_][a-z]{2,8})*")
_ISO3 = {"eng": "en", "zho": "zh", "cmn": "zh", "fra": "fr", "deu": "de", "spa": "es", "ita": "it", "por": "pt",
         "nld": "nl", "rus": "ru", "jpn": "ja", "kor": "ko", "arb": "ar", "ara": "ar", "hin": "hi"}  # fmt: skip
MIN_CLUES = 3  # function words of another language that outweigh the wanted one's


def language_code(name: str) -> str:
    """The code of a language that somebody names by its English name or by a code, or nothing.

    >>> language_code("Chinese"), language_code("zh-CN"), language_code("deu_Latn"), language_code("Klingon")
    ('zh', 'zh', 'de', '')
    """
    said = name.strip().lower()
    known = next((code for code, english in _NAMES.items() if said == english), "")
    found = _CODE.fullmatch(said)
    code = known or (_ISO3.get(found[1], found[1]) if found else "")
    return code if code in _NAMES else ""


def is_in(text: str, language: str) -> bool:
    """Whether most of a text's letters are a language's, and its function words no other's. Maths and code don't count,
    and a text without letters is in any language.

    >>> is_in("早上好, Ann", "zh"), is_in("Good morning", "zh"), is_in("Guten Morgen, das ist nicht der Zug", "en")
    (True, False, False)
    """
    plain = prose(text)
    letters = len(_ANY.findall(plain))
    own = len(re.findall(f"[{_LETTERS.get(language, _LATIN)}]", plain))
    if not letters or own < letters / 2:
        return not letters
    if language in ("zh", "ja"):  # Japanese is never without kana for long, Chinese always
        kana = len(_KANA.findall(plain))
        return kana * 10 < own if language == "zh" else kana * 20 >= own or own < 8
    return language not in _WORDS or not _other_words(plain, language)


def _other_words(text: str, language: str) -> bool:
    said = Counter(re.findall(f"[{_LATIN}]+", text.lower()))
    clues = {name: sum(said[word] for word in words) for name, words in _WORDS.items()}
    best = max(clues, key=lambda name: clues[name])
    return clues[best] >= MIN_CLUES and clues[best] > 2 * clues[language]
