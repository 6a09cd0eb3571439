"""Check a proof of `r1 prove`: does a row stand behind a checkpoint or not? Needs the manifests and nothing of r1.

    python tools/check_proof.py PROOF.json [FOLDER] [--weights MODEL.safetensors]

FOLDER holds the manifests at their places (data/zero/manifest.json; default: the current folder). The manifests are
trusted by their digest, which is printed as `lineage`: compare it with the one that you were given on another way.
Standard library only; on purpose it shares no code with r1.
"""

import hashlib
import json
import sys
from pathlib import Path


class Refused(Exception):
    """The proof or the manifests don't hold."""


def main(arguments):
    weights = None
    if "--weights" in arguments:
        at = arguments.index("--weights")
        weights, arguments = Path(arguments[at + 1]), arguments[:at] + arguments[at + 2 :]
    if not 1 <= len(arguments) <= 2:
        raise SystemExit(__doc__)
    try:
        proof = json.loads(Path(arguments[0]).read_text())
        found = check(proof, Path(arguments[1] if len(arguments) > 1 else "."))
        if weights and hashlib.sha256(weights.read_bytes()).hexdigest()[:32] != proof["weights"]:
            raise Refused("the weights file is not the checkpoint that the proof is about")
    except (Refused, OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise SystemExit("REFUSED: %s" % (error or type(error).__name__)) from None
    print("OK: {} {} ({})".format(proof["checkpoint"], found[0], proof["row"]))
    print(f"lineage {found[1]}")


def check(proof, folder):
    """(what the checkpoint did with the row, the digest of all manifests behind it)."""
    manifests = load(proof, folder)
    start, held = checkpoint(proof, manifests)
    closure = behind(start, manifests)
    listed = {m["path"]: m["sha256"] for m in closure.values()}
    lineage = hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()
    if proof["weights"] != held:
        raise Refused("the manifest names other weights")
    row = bytes.fromhex(proof["row"])
    wanted = sets(closure)
    claims = {(c["artifact"], c["set"]): c for c in proof["claims"]}
    if set(claims) != set(wanted):
        raise Refused(f"the proof says nothing about {sorted(set(wanted) ^ set(claims))[0][1]}")
    inside = set()
    for key, (count, root) in wanted.items():
        if holds(claims[key], row, count, root):
            inside.add(key[1].rpartition("/")[2])
    for kind, text in (("used", "trained on it"), ("parents", "made rows from it"), ("ids", "read it")):
        if kind in inside:
            return text, lineage
    return "never saw it", lineage


def load(proof, folder):
    found = {}
    for name, entry in proof["manifests"].items():
        content = (folder / entry["path"]).read_bytes()
        if hashlib.sha256(content).hexdigest() != entry["sha256"]:
            raise Refused("{} is not the manifest that the proof was made with".format(entry["path"]))
        manifest = json.loads(content)
        own = manifest["stage"] + ("@" + manifest["item"] if manifest["item"] else "")
        if own != name or manifest["version"] != 1:
            raise Refused("{} is the manifest of {}".format(entry["path"], own))
        folder_of = entry["path"].rpartition("/")[0]
        found[name] = {"folder": folder_of, "path": entry["path"], "sha256": entry["sha256"], "is": manifest}
    return found


def checkpoint(proof, manifests):
    for name, entry in manifests.items():
        for sub, digest in entry["is"]["checkpoints"].items():
            if entry["folder"] + "/" + sub == proof["checkpoint"]:
                return name, digest
    raise Refused("no manifest holds {}".format(proof["checkpoint"]))


def producers(path, manifests):
    """The artifacts whose files an input is, or holds."""
    return {
        name: entry
        for name, entry in manifests.items()
        if (path + "/").startswith(entry["folder"] + "/") or entry["folder"].startswith(path + "/")
    }


def behind(start, manifests):
    """The manifests that lead to a checkpoint. Each input must be the very file that its producer's manifest lists."""
    found, waiting = {}, [start]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found[name] = manifests[name]
        for path, entry in manifests[name]["is"]["inputs"].items():
            for producer, other in producers(path, manifests).items():
                same_files(path, entry, other)
                waiting.append(producer)
            if path.startswith("data/") and not producers(path, manifests) and not raw(path):
                raise Refused(f"the manifest behind {path} is missing")
    return found


def raw(path):
    return path == "data/imports" or path.startswith("data/imports/")


def same_files(path, entry, producer):
    folder, files = producer["folder"], producer["is"]["files"]
    if not entry["md5"].endswith(".dir"):
        pairs = [(path[len(folder) + 1 :], entry["sha256"])]
    elif (path + "/").startswith(folder + "/"):
        below = path[len(folder) + 1 :]
        pairs = [((below + "/" if below else "") + name, digest) for name, digest in entry["files"].items()]
    else:
        below = folder[len(path) + 1 :] + "/"
        pairs = [(n[len(below) :], d) for n, d in entry["files"].items() if n.startswith(below)]
    for name, digest in pairs:
        if name != "manifest.json" and files[name]["sha256"] != digest:
            raise Refused(f"{folder}/{name} is not the file that was read")


def sets(closure):
    """Every set of rows behind the checkpoint: (artifact, key) -> (count, root)."""
    found = {}

    def table(name, file):
        entry = closure[name]["is"]["tables"][file]
        for part in ("ids", "parents"):
            found[name, f"tables/{file}/{part}"] = (entry[part]["count"], entry[part]["root"])

    for name, entry in closure.items():
        for path in entry["is"]["inputs"]:
            for producer, other in producers(path, closure).items():
                for file in other["is"]["tables"]:
                    whole = other["folder"] + "/" + file
                    if whole == path or whole.startswith(path + "/"):
                        table(producer, file)
        for ledger, head in entry["is"]["ledgers"].items():
            found[name, f"ledgers/{ledger}/used"] = (head["used"]["count"], head["used"]["root"])
            if head["table"].startswith(entry["folder"] + "/"):
                table(name, head["table"][len(entry["folder"]) + 1 :])
    return found


def holds(claim, row, count, root):
    """Whether the claim's set holds the row; refuses a claim that doesn't prove what it says."""
    shown = claim["leaves"]
    for leaf in shown:
        if climb(leaf, count) != root:
            raise Refused("{}: a leaf is not in the tree".format(claim["set"]))
    ids = [bytes.fromhex(leaf["id"]) for leaf in shown]
    places = [leaf["index"] for leaf in shown]
    if claim["in"]:
        if ids != [row]:
            raise Refused("{}: another row is shown".format(claim["set"]))
        return True
    if count == 0:
        if root != hashlib.sha256(b"").hexdigest() or shown:
            raise Refused("{}: the set is not empty".format(claim["set"]))
        return False
    between = len(ids) == 2 and places[1] == places[0] + 1 and ids[0] < row < ids[1]
    before = places == [0] and row < ids[0]
    after = places == [count - 1] and row > ids[0]
    if not (between or before or after):
        raise Refused("{}: nothing shows that the row is missing".format(claim["set"]))
    return False


def climb(leaf, count):
    """The root that a leaf and its path lead to in a tree of so many leaves."""
    index, size, path = leaf["index"], count, list(leaf["path"])
    if not 0 <= index < size:
        return ""
    node = hashlib.sha256(b"\x00" + bytes.fromhex(leaf["id"])).digest()
    while size > 1:
        if index ^ 1 < size:
            other = bytes.fromhex(path.pop(0))
            node = hashlib.sha256(b"\x01" + (other + node if index % 2 else node + other)).digest()
        index, size = index // 2, (size + 1) // 2
    return node.hex() if not path else ""


if __name__ == "__main__":
    main(sys.argv[1:])
