"""What assistants are known by: how they refuse, what they say of themselves, whose names they give. English and Chinese.

Regular expressions for polars (no look-around). Each is checked on sentences in tests/curate/test_general.py.
"""

from collections.abc import Sequence

import polars as pl

MARKUP = r"(?m)^\s{0,3}(?:#{1,6}\s|[-*+]\s+\S|\d{1,2}[.)]\s+\*\*|\|.*\|\s*$|```|~~~|>\s)|\*\*[^*\n]+\*\*"
BOILERPLATE = (
    r"(?i)\bas an? (?:ai|artificial intelligence)\b(?: (?:language|assistant|chat|model|bot|system)\b)*,? (?:i|my|it)\b"
    r"|\bmy (?:knowledge|training)(?: data)? cut-?off\b"
    r"|作为(?:一个|一名)?(?:ai|人工智能)(?:语言)?(?:模型|助手)?[，,]?我"
)
_CANNOT = (
    r"(?:can(?:no|')?t|can not|could not|couldn't|am (?:not able|unable) to|'m (?:not able|unable) to|won't|will not)"
)
_DONE = r"(?:help|assist|provide|comply|fulfil+|support|do that|answer|give you|offer|share|engage|generate|translate)"
REFUSAL = (  # certain enough to drop a harmless request's answer
    rf"(?i)\bi(?: am|'m)?(?: very| really| so)? ?sorry,? (?:but )?i {_CANNOT}"
    rf"|\bi(?: really| simply)? ?{_CANNOT} {_DONE}\b"
    r"|(?:抱歉|对不起|很遗憾)[，,。！! ]{0,2}(?:但)?(?:我)?(?:不能|无法|没办法)|我(?:不能|无法)(?:帮|协助|提供|回答|满足)"
)
GENTLE = (  # and what else refuses a harmful one
    r"(?i)\bi(?:'d| would) (?:rather|prefer) not\b|\bi(?: must| have to)? (?:refuse|decline)\b|\bnot something i (?:can|will)\b"
    rf"|\b(?:sorry|no)[,.!] |\bi {_CANNOT}\b|\b(?:please )?(?:don't|do not) (?:do|try|attempt)\b"
    r"|\b(?:is|it's|would be|that's) (?:illegal|dangerous|harmful|unethical|wrong|against the law)\b"
    r"|拒绝|违法|犯法|危险|不应该|请不要|不可以"
)
_NAMES = (  # of models and their makers
    "chatgpt", r"gpt-?[345][\w.]*", "open ?ai", "claude", "anthropic", "gemini", "bard", "google(?: deepmind)?", "copilot",
    "microsoft", "grok", "xai", "llama(?: ?[234])?", "meta(?: ai)?", "mi[sx]tral(?: ai)?", r"qwen[\w.]*", "tongyi(?: qianwen)?",
    "alibaba(?: cloud)?", "ernie(?: bot)?", "baidu", "kimi", "moonshot(?: ai)?", "doubao", "bytedance", "chatglm", "zhipu(?: ai)?",
    "baichuan", "internlm", "vicuna", "alpaca", r"deep ?seek(?:[- ]?(?:r1|v3|v2|chat))?", "通义千问", "文心一言", "阿里云", "阿里巴巴",
    "百度", "豆包", "字节跳动", "智谱", "月之暗面", "深度求索", "谷歌", "微软",
)  # fmt: skip
_STEMS = (  # every name holds one: they are looked for first, for patterns are a hundred times as slow
    "gpt", "openai", "open ai", "claude", "anthropic", "gemini", "bard", "google", "copilot", "microsoft", "grok", "xai",
    "llama", "meta", "mistral", "mixtral", "qwen", "tongyi", "alibaba", "ernie", "baidu", "kimi", "moonshot", "doubao",
    "bytedance", "chatglm", "zhipu", "baichuan", "internlm", "vicuna", "alpaca", "deepseek", "deep seek", "通义千问", "文心一言",
    "阿里", "百度", "豆包", "字节跳动", "智谱", "月之暗面", "深度求索", "谷歌", "微软",
)  # fmt: skip
_MADE = "(?:created|made|developed|trained|built|designed|released)"
_MADE_ZH = "(?:开发|训练|创造|研发|打造|推出)"
_DENIED = r"(?i)(?:\bnot\b|n't\b|\bunlike\b|\brather than\b|\bnor\b|不是|并非)[^.!?;,:。！？；，：\n]{0,60}"


def speaks_as_another(texts: pl.Series, *, allowed: Sequence[str]) -> pl.Series:
    """Whether each text says in the first person that it is a known model or of a known maker, but for those allowed."""
    names = _names(allowed)
    kinds = r"(?:(?:an?|the|ai|language|large|model|assistant|chatbot|called|named|known as|developed|version of),? )*"
    own = (
        rf"(?i)\b(?:i am|i'm|my name is|you can call me) {kinds}(?:{names})\b"
        rf"|\bi(?: am|'m| was| have been|'ve been)\b[^.!?\n]{{0,80}}\b{_MADE} (?:and {_MADE} )?(?:by|at) (?:the team at )?(?:{names})\b"
        rf"|\b(?:{names}) (?:has )?{_MADE} me\b|\bmy (?:creator|maker|developer)s? (?:is|are) (?:{names})\b"
        rf"|我(?:是|叫|名叫|的名字是)[^。！？\n]{{0,12}}(?:{names})|我[^。！？\n]{{0,20}}由(?:{names})[^。！？\n]{{0,10}}{_MADE_ZH}"
        rf"|(?:{names}){_MADE_ZH}了我"
    )
    return _without_denials(texts).str.contains(own)


def names_another(texts: pl.Series, *, allowed: Sequence[str]) -> pl.Series:
    """Whether each text names a known model or maker at all, but for those allowed and what it says it is not."""
    return _without_denials(texts).str.contains(rf"(?i)(?:\b|\p{{Han}})(?:{_names(allowed)})(?:\b|\p{{Han}})")


def mentions(texts: pl.Series) -> pl.Series:
    """Whether each text may hold a name of a model or a maker at all."""
    return texts.str.contains_any(list(_STEMS), ascii_case_insensitive=True)


def _without_denials(texts: pl.Series) -> pl.Series:
    plain = texts.str.replace_all("[’‘]", "'").str.replace_all(r"(?i)\bbut\b|而是", ",")
    return plain.str.replace_all(_DENIED, " ")


def _names(allowed: Sequence[str]) -> str:
    """The names as one alternative, without those that an allowed name is matched by."""
    ours = pl.Series([name.strip().lower() for name in allowed], dtype=pl.String)
    return "|".join(name for name in _NAMES if not ours.str.contains(f"^(?:{name})$").any())
