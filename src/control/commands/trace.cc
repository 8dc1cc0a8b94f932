// trace smtp add, list, remove: what chosen SMTP sessions say, into a file.
#include "base/text.h"
#include "config/keys.h"
#include "config/value.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"

namespace impulse::control {

namespace {

using telemetry::Tracer;
using telemetry::TraceSpec;

Result<uint64_t> read_limit(const config::RawValue& word) {
  config::OptionDef any = config::definition(config::key::max_message_size);  // for its type
  any.min = 4096;
  any.max = int64_t{1} << 40;
  const auto value = config::convert(word, any);
  if (!value) return std::unexpected(value.error());
  return std::get<uint64_t>(*value);
}

std::expected<TraceSpec, Answer> read_spec(const Invocation& call) {
  auto words = call.words;
  TraceSpec spec;
  if (words.size() >= 2 && iequals(words[words.size() - 2].text, "--limit")) {
    const auto limit = read_limit(words.back());
    if (!limit) return std::unexpected(placed_error(Code::usage, "control-usage", words.back(), limit.error().message));
    spec.limit = *limit;
    words = words.first(words.size() - 2);
  }
  if (words.size() == 3 && iequals(words[0].text, "inbound")) {
    spec.inbound = true;
    spec.anybody = words[1].text == "*";
    if (!spec.anybody) {
      const auto clients = IpPrefix::parse(words[1].text);
      if (!clients)
        return std::unexpected(placed_error(Code::usage, "control-usage", words[1], clients.error().message));
      spec.clients = *clients;
    }
  } else {
    // Momentum's form has no word in front.
    if (words.size() == 4 && iequals(words[0].text, "outbound")) words = words.subspan(1);
    if (words.size() != 3)
      return std::unexpected(usage("trace smtp add", "who is to be traced, and a file, are expected"));
    spec.binding = words[0].text;
    spec.domain = words[1].text;
  }
  spec.file = words.back().text;
  for (const config::RawValue& word : words)
    if (word.text.empty())
      return std::unexpected(placed_error(Code::usage, "control-usage", word, "it may not be empty"));
  return spec;
}

Json document_of(const Tracer& tracer) {
  Json document{{"id", tracer.id}};
  if (tracer.spec.inbound) {
    document["clients"] = tracer.spec.anybody ? "*" : tracer.spec.clients.to_string();
  } else {
    document["binding"] = tracer.spec.binding;
    document["domain"] = tracer.spec.domain;
  }
  document["file"] = tracer.spec.file;
  document["bytes"] = tracer.bytes;
  document["limit"] = tracer.spec.limit;
  document["full"] = tracer.full;
  return document;
}

void say_tracer(Writer& writer, const Tracer& tracer) {
  if (writer.json()) return writer.document(document_of(tracer));
  const std::string number = fmt::format("[{:>6}] ", tracer.id);
  if (tracer.spec.inbound) {
    writer.text(fmt::format("{} clients: {}", number,
                            tracer.spec.anybody ? std::string("*") : tracer.spec.clients.to_string()));
  } else {
    writer.text(fmt::format("{} binding: {}", number, field(tracer.spec.binding)));
    writer.text(fmt::format("{:>18} {}", "domain:", field(tracer.spec.domain)));
  }
  writer.text(
      fmt::format("{:>18} {} @ {}{}", "file:", field(tracer.spec.file), tracer.bytes, tracer.full ? " (full)" : ""));
}

}  // namespace

Answer trace_smtp_add(const Invocation& call) {
  auto spec = read_spec(call);
  if (!spec) return std::move(spec.error());
  const auto id = call.system.trace_add(std::move(*spec));
  if (!id) return Answer::error(Code::failed, "trace-refused", id.error().message);
  Status status;
  status.with("id", *id);
  return Answer::once(std::move(status), [id = *id](Writer& writer) {
    if (writer.json())
      writer.document({{"id", id}});
    else
      writer.text(fmt::format("Registered smtp tracer #{}", id));
  });
}

Answer trace_smtp_list(const Invocation& call) {
  if (!call.words.empty()) return usage("trace smtp list", "nothing is expected behind it");
  auto rows = std::make_shared<const std::vector<Tracer>>(call.system.traces());
  Status status;
  status.with("traces", rows->size());
  return {std::move(status), each(rows->size(), [rows](Writer& writer, size_t i) { say_tracer(writer, (*rows)[i]); })};
}

Answer trace_smtp_remove(const Invocation& call) {
  if (call.words.size() != 1) return usage("trace smtp remove", "the number of a tracer is expected");
  std::string_view text = call.words.front().text;
  if (text.starts_with('#')) text.remove_prefix(1);
  const auto id = parse_unsigned(text);
  if (!id)
    return placed_error(Code::usage, "control-usage", call.words.front(),
                        "a tracer's id is a number (see 'trace smtp list')");
  if (!call.system.trace_remove(*id))
    return Answer::error(Code::not_found, "trace-unknown", fmt::format("there is no smtp tracer #{}", *id));
  return Answer::once({}, [id = *id](Writer& writer) {
    if (writer.json())
      writer.document({{"id", id}, {"removed", true}});
    else
      writer.text(fmt::format("Removed smtp tracer #{}", id));
  });
}

}  // namespace impulse::control
