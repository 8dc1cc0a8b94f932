"""The main log's lines, as doc/logs.md has them."""

MAINLOG_FIELDS = {
    "R": ["time", "id", "batch", "connection", "kind", "to_local", "to_domain", "from_local", "from_domain", "peer",
          "size", "protocol", "group", "binding", "listen"],
    "D": ["time", "id", "batch", "connection", "kind", "domain", "size", "group", "binding", "attempts", "delay",
          "peer", "to_local", "protocol", "local", "response", "port"],
    "T": ["time", "id", "batch", "connection", "kind", "domain", "bytes", "group", "binding", "stage", "attempts",
          "delay", "peer", "response", "to_local", "protocol", "local", "port"],
}
MAINLOG_FIELDS["P"] = MAINLOG_FIELDS["T"]
MAINLOG_FIELDS["M"] = MAINLOG_FIELDS["R"][:5]  # a heartbeat


def parse_mainlog(line):
    fields = line.split("@")
    kind = fields[4] if len(fields) > 4 else "?"
    names = MAINLOG_FIELDS.get(kind)
    if names is None or len(fields) - len(names) not in (0, 1):  # a tenant's lines end in its name
        raise AssertionError(f"a main log line that doc/logs.md does not know: {line}")
    return {"tenant": "", **dict(zip([*names, "tenant"], fields))}
