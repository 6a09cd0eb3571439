"""A data set's description as Croissant 1.0 (JSON-LD), which search engines and loaders read.

Source: the format specification of MLCommons, http://mlcommons.org/croissant/1.0.
"""

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from r1cli.data.columns import COLUMNS

if TYPE_CHECKING:
    import polars as pl

    from r1cli.data.card import About
    from r1cli.data.export import Part

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"
PARQUET = "application/x-parquet"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def describe(about: "About") -> dict[str, object]:
    """The description. Each split's files are told with their digests, each split is a record set."""
    files = [_file(name, digest) for part in about.parts for name, digest in part.files.items()]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": about.name,
        "description": f"{about.rows:,} rows made or imported by r1, the DeepSeek-R1 recipe as a pipeline.",
        "license": about.license,
        "version": "1.0.0",
        "isLiveDataset": False,
        "isBasedOn": [source.source for source in about.sources],
        "distribution": files,
        "recordSet": [_records(part, name) for part in about.parts for name in part.files],
    }


def _file(name: str, digest: str) -> dict[str, object]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": PurePosixPath(name).name,
        "contentUrl": name,
        "encodingFormat": PARQUET,
        "sha256": digest,
    }


def _records(part: "Part", file: str) -> dict[str, object]:
    """A file's rows as a record set; those of a sharded split are told by their numbers."""
    name = f"{part.config}/{part.split}" if len(part.files) == 1 else f"{part.config}/{PurePosixPath(file).stem}"
    fields = []
    for column, kind in part.table.lazy().collect_schema().items():
        fields.append(_field(name, column, kind, file))
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _field(records: str, column: str, kind: "pl.DataType", file: str) -> dict[str, object]:
    """A column; one of several parts has a field for each."""
    import polars as pl

    field: dict[str, object] = {"@type": "cr:Field", "@id": f"{records}/{column}", "name": f"{records}/{column}"}
    field |= {"description": COLUMNS[column]} if column in COLUMNS else {}
    source: dict[str, object] = {"fileObject": {"@id": file}, "extract": {"column": column}}
    if isinstance(kind, pl.Struct):
        parts = [(f"{records}/{column}/{part.name}", part) for part in kind.fields]
        return field | {
            "subField": [
                {
                    "@type": "cr:Field",
                    "@id": name,
                    "name": name,
                    "dataType": _type(part.dtype),
                    "source": {**source, "transform": {"jsonPath": part.name}},
                }
                for name, part in parts
            ]
        }
    inner = kind.inner if isinstance(kind, pl.List) else kind
    field |= {"repeated": True} if isinstance(kind, pl.List) else {}
    return field | {"dataType": _type(inner), "source": source}


def _type(kind: object) -> str:
    import polars as pl

    if not isinstance(kind, pl.DataType):
        return "sc:Text"
    return (
        "sc:Boolean"
        if kind == pl.Boolean
        else "sc:Integer"
        if kind.is_integer()
        else "sc:Float"
        if kind.is_float()
        else "sc:Text"
    )
