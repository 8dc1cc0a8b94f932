#include "spool/pair.h"

#include "base/crc32c.h"
#include "base/tenant.h"
#include "base/text.h"
#include "message/address.h"
#include "message/limits.h"
#include "spool/journal.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <functional>
#include <initializer_list>
#include <set>
#include <utility>

namespace impulse::spool {

namespace {

constexpr int64_t version = 1;
constexpr uint64_t max_trace = 1 << 20;  // bytes; it stays in memory
// Of connections' context; no door takes so much of a client (XSETCONTEXT, ECStream: 100 entries; HTTP: 10000 bytes).
constexpr size_t most_context = 1000;
constexpr size_t most_context_bytes = size_t{512} << 10;
constexpr std::array<std::string_view, 3> body_types{"7bit", "8bitmime", "binarymime"};
constexpr std::array<std::string_view, 3> ret_names{"", "full", "hdrs"};
constexpr std::array<std::string_view, 4> notify_names{"never", "success", "failure", "delay"};
// The last microsecond since 1970 that has four digits for the year.
constexpr int64_t last_microsecond = 253402300799999999;
// Octets: RFC 3461 §4.2.
constexpr size_t max_orcpt = 500;

bool is_control(char c) { return (c >= 0 && c < 0x20) || c == 0x7F; }

// Bytes that are no UTF-8 are written as {"hex": "…"}.
std::string text_of(std::string_view text) {
  if (is_utf8(text)) return json_quoted(text);
  std::string hex;
  for (const char c : text) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return fmt::format("{{\"hex\": \"{}\"}}", hex);
}

// What has no such name is written as the nearest that has: no time in a message means more than that.
std::string time_of(WallTime time) {
  const int64_t microseconds = std::clamp<int64_t>(time.time_since_epoch().count(), 0, last_microsecond);
  const int64_t seconds = microseconds / 1000000;
  return fmt::format("\"{:%Y-%m-%dT%H:%M:%S}.{:06}Z\"", fmt::gmtime(static_cast<std::time_t>(seconds)),
                     microseconds % 1000000);
}

// As an import takes it.
std::string one_line(std::string_view text) {
  std::string line(cut_error(text));
  std::ranges::replace_if(line, is_control, ' ');
  return line;
}

std::string_view flag_of(bool flag) { return flag ? "true" : "false"; }

std::string state_of(const RecipientState& state) {
  std::string text = fmt::format(", \"state\": \"{}\"", state_name(state));
  if (state.attempts > 0) text += fmt::format(", \"attempts\": {}", state.attempts);
  if (state.state == State::pending && !state.held() && state.next_attempt != WallTime{})
    text += fmt::format(", \"next_attempt\": {}", time_of(state.next_attempt));
  if (!state.last_error.empty()) text += fmt::format(", \"last_error\": {}", text_of(one_line(state.last_error)));
  return text;
}

std::string recipient_of(const message::Recipient& recipient, const RecipientState& state) {
  std::string text = fmt::format("    {{\"address\": {}", text_of(recipient.address));
  if (recipient.notify != 0) {
    std::string names;
    for (size_t bit = 0; bit < notify_names.size(); ++bit)
      if ((recipient.notify & 1U << bit) != 0)
        names += fmt::format("{}\"{}\"", names.empty() ? "" : ", ", notify_names[bit]);
    text += fmt::format(", \"notify\": [{}]", names);
  }
  if (!recipient.orcpt.empty()) text += fmt::format(", \"orcpt\": {}", text_of(recipient.orcpt));
  text += state_of(state);
  if (!state.binding.empty()) text += fmt::format(", \"binding\": {}", text_of(state.binding));
  return text + "}";
}

// Reads members; the first that is wrong is kept, and what is read from then on means nothing.
class Reader {
 public:
  std::optional<JsonFault> fault;

  void fail(const JsonValue& value, std::string what) { fail(value.at, std::move(what)); }
  void fail(JsonPlace at, std::string what) {
    if (!fault) fault = {at.line, at.column, std::move(what)};
  }
  void object(const JsonValue& value) {
    if (value.kind != JsonValue::Kind::object) fail(value, "an object is expected");
  }
  void array(const JsonValue& value) {
    if (value.kind != JsonValue::Kind::array) fail(value, "an array is expected");
  }
  // What is none of these is not known.
  void known(const JsonValue& value, std::initializer_list<std::string_view> names) {
    object(value);
    for (size_t i = 0; i < value.names.size() && !fault; ++i)
      if (std::ranges::find(names, value.names[i]) == names.end())
        fail(value.names_at[i], fmt::format("{} is not known to this version", json_quoted(value.names[i])));
  }
  const JsonValue* need(const JsonValue& value, std::string_view name) {
    const JsonValue* found = value.find(name);
    if (found == nullptr) fail(value, fmt::format("\"{}\" is missing", name));
    return fault ? nullptr : found;
  }

  void any_text(const JsonValue& value, std::string& to) {
    if (value.kind == JsonValue::Kind::string) {
      to = value.text;
      return;
    }
    if (value.kind != JsonValue::Kind::object) return fail(value, "a string is expected");
    known(value, {"hex"});
    const JsonValue* hex = need(value, "hex");
    if (hex == nullptr) return;
    const auto digit = [](char c) { return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; };
    const std::string& digits = hex->text;
    if (hex->kind != JsonValue::Kind::string || digits.size() % 2 != 0 ||
        std::ranges::any_of(digits, [&](char c) { return digit(c) < 0; }))
      return fail(*hex, "pairs of lower-case hexadecimal digits are expected");
    to.clear();
    for (size_t i = 0; i < digits.size(); i += 2) to += static_cast<char>(digit(digits[i]) * 16 + digit(digits[i + 1]));
  }
  // What becomes a part of lines, in a session or a log.
  void line(const JsonValue& value, std::string& to, bool blanks) {
    any_text(value, to);
    if (std::ranges::any_of(to, [&](char c) { return is_control(c) || (!blanks && c == ' '); }))
      fail(value, blanks ? "it has a control character" : "it has a blank or a control character");
  }
  // What becomes a part of queues' names.
  void binding(const JsonValue& value, std::string& to) {
    line(value, to, false);
    if (to.empty() || to.size() > max_binding_name || to.find_first_of("/%") != std::string::npos)
      fail(value, "the name of a binding is expected");
  }
  void flag(const JsonValue& value, bool& to) {
    if (value.kind != JsonValue::Kind::boolean) return fail(value, "true or false is expected");
    to = value.truth;
  }
  int64_t number(const JsonValue& value, int64_t least, int64_t most) {
    const bool good = value.kind == JsonValue::Kind::integer && value.number >= least && value.number <= most;
    if (!good) fail(value, fmt::format("a whole number from {} to {} is expected", least, most));
    return good ? value.number : least;
  }
  template <size_t size>
  size_t one_of(const JsonValue& value, const std::array<std::string_view, size>& names) {
    const auto found = std::ranges::find(names, std::string_view(value.text));
    if (value.kind == JsonValue::Kind::string && found != names.end() && !value.text.empty())
      return static_cast<size_t>(found - names.begin());
    fail(value, fmt::format("one of {} is expected", fmt::join(names, " ")));
    return 0;
  }
  void time(std::string_view name, const JsonValue& value, WallTime& to) {
    if (value.kind == JsonValue::Kind::integer && value.number >= 0 && value.number <= last_microsecond) {
      to = WallTime(Duration(value.number));
      return;
    }
    if (value.kind == JsonValue::Kind::string && read_time(value.text, to)) return;
    fail(value, fmt::format("\"{}\": a time such as \"2027-01-31T12:00:05.000000Z\", or microseconds since 1970, not "
                            "beyond the year 9999, is expected",
                            name));
  }
  // At most so many, with so many bytes of names and values.
  void pairs(const JsonValue& value, std::vector<std::pair<std::string, std::string>>& to, size_t most,
             size_t most_bytes) {
    array(value);
    size_t bytes = 0;
    for (const JsonValue& each : value.items) {
      known(each, {"name", "value"});
      auto& pair = to.emplace_back();
      if (const auto* name = need(each, "name")) any_text(*name, pair.first);
      if (const auto* text = need(each, "value")) any_text(*text, pair.second);
      bytes += pair.first.size() + pair.second.size();
      if (to.size() > most) return fail(each, fmt::format("more than {} of these", most));
      if (bytes > most_bytes) return fail(each, fmt::format("more than {} bytes of these", most_bytes));
    }
  }
  // As the envelope has it; the null sender is empty.
  void address(const JsonValue& value, std::string& to, bool may_be_empty) {
    any_text(value, to);
    if (to.empty() && may_be_empty) return;
    const message::AddressRules rules{.pedantic = false, .smtputf8 = true};
    const auto path = message::parse_path(fmt::format("<{}>", to), rules);
    const bool whole = path && path->address == to && path->used == to.size() + 2;
    if (!whole || (!path->has_domain && !message::is_postmaster(to))) fail(value, "an address is expected");
  }

 private:
  static bool read_time(std::string_view text, WallTime& to) {
    constexpr std::string_view form = "0000-00-00T00:00:00.000000Z";
    if (text.size() != form.size()) return false;
    for (size_t i = 0; i < form.size(); ++i)
      if (form[i] == '0' ? !is_digit(text[i]) : text[i] != form[i]) return false;
    const auto part = [&](size_t at, size_t count) {
      int value = 0;
      for (const char c : text.substr(at, count)) value = value * 10 + (c - '0');
      return value;
    };
    const std::chrono::year_month_day day{std::chrono::year(part(0, 4)),
                                          std::chrono::month(static_cast<unsigned>(part(5, 2))),
                                          std::chrono::day(static_cast<unsigned>(part(8, 2)))};
    if (!day.ok() || part(0, 4) < 1970 || part(11, 2) > 23 || part(14, 2) > 59 || part(17, 2) > 59) return false;
    to = std::chrono::sys_days(day) + std::chrono::hours(part(11, 2)) + std::chrono::minutes(part(14, 2)) +
         std::chrono::seconds(part(17, 2)) + std::chrono::microseconds(part(20, 6));
    return true;
  }
};

void read_recipient(Reader& reader, const JsonValue& value, PairText& pair) {
  reader.known(value, {"address", "notify", "orcpt", "state", "attempts", "next_attempt", "last_error", "binding"});
  if (reader.fault) return;
  message::Recipient recipient;
  if (const auto* address = reader.need(value, "address")) reader.address(*address, recipient.address, false);
  if (const auto* notify = value.find("notify")) {
    reader.array(*notify);
    for (const JsonValue& name : notify->items)
      recipient.notify |= static_cast<uint8_t>(1U << reader.one_of(name, notify_names));
    if ((recipient.notify & message::notify::never) != 0 && recipient.notify != message::notify::never)
      reader.fail(*notify, "\"never\" stands alone");
  }
  if (const auto* orcpt = value.find("orcpt")) {
    reader.line(*orcpt, recipient.orcpt, false);
    if (recipient.orcpt.size() > max_orcpt) reader.fail(*orcpt, fmt::format("more than {} bytes", max_orcpt));
  }
  RecipientState state;
  constexpr std::array<std::string_view, 5> states{"pending", "delivered", "failed", "expired", "held"};
  if (const auto* name = value.find("state")) {
    const size_t which = reader.one_of(*name, states);
    if (which == 4)
      state.next_attempt = WallTime::max();
    else
      state.state = static_cast<State>(which);
  }
  if (const auto* attempts = value.find("attempts"))
    state.attempts = static_cast<uint32_t>(reader.number(*attempts, 0, UINT32_MAX));
  if (const auto* next = value.find("next_attempt")) {
    if (state.state != State::pending || state.held()) reader.fail(*next, "only what is pending is tried again");
    reader.time("next_attempt", *next, state.next_attempt);
  }
  if (const auto* error = value.find("last_error")) {
    reader.line(*error, state.last_error, true);
    state.last_error = cut_error(state.last_error);
  }
  if (const auto* binding = value.find("binding")) reader.binding(*binding, state.binding);
  pair.envelope.recipients.push_back(std::move(recipient));
  pair.states.push_back(std::move(state));
}

// What was asked for with MAIL.
void read_request(Reader& reader, const JsonValue& root, message::Envelope& envelope) {
  if (const auto* body = root.find("body"))
    envelope.body_type = static_cast<message::BodyType>(reader.one_of(*body, body_types));
  if (const auto* flag = root.find("smtputf8")) reader.flag(*flag, envelope.smtputf8);
  if (const auto* ret = root.find("ret")) envelope.ret = static_cast<message::Ret>(reader.one_of(*ret, ret_names));
  if (const auto* envid = root.find("envid")) reader.line(*envid, envelope.envid, false);
  if (const auto* auth = root.find("auth")) reader.line(*auth, envelope.auth, true);
  if (const auto* priority = root.find("priority"))
    envelope.priority = static_cast<int8_t>(reader.number(*priority, -9, 9));
  if (const auto* time = root.find("hold_until")) reader.time("hold_until", *time, envelope.hold_until);
  if (const auto* by = root.find("deliver_by")) {
    reader.known(*by, {"deadline", "mode", "trace"});
    if (const auto* deadline = reader.need(*by, "deadline"))
      reader.time("deadline", *deadline, envelope.deliver_by.deadline);
    constexpr std::array<std::string_view, 2> modes{"notify", "return"};
    if (const auto* mode = by->find("mode")) envelope.deliver_by.mode = reader.one_of(*mode, modes) == 1 ? 'R' : 'N';
    if (const auto* trace = by->find("trace")) reader.flag(*trace, envelope.deliver_by.trace);
  }
  if (const auto* flag = root.find("require_tls")) reader.flag(*flag, envelope.require_tls);
  if (const auto* flag = root.find("tls_optional")) reader.flag(*flag, envelope.tls_optional);
}

// Where it came from.
void read_origin(Reader& reader, const JsonValue& root, message::Envelope& envelope) {
  if (const auto* time = reader.need(root, "received")) reader.time("received", *time, envelope.received);
  if (const auto* client = root.find("client")) {
    const auto address = IpAddress::parse(client->text);
    if (client->kind != JsonValue::Kind::string || !address)
      reader.fail(*client, "an address is expected");
    else
      envelope.client = *address;
  }
  if (const auto* port = root.find("client_port"))
    envelope.client_port = static_cast<uint16_t>(reader.number(*port, 0, UINT16_MAX));
  if (const auto* name = root.find("client_name")) reader.any_text(*name, envelope.client_name);
  if (const auto* helo = root.find("helo")) reader.any_text(*helo, envelope.client_helo);
  if (const auto* listener = root.find("listener")) reader.line(*listener, envelope.listener, true);
  if (const auto* user = root.find("user")) reader.any_text(*user, envelope.user);
  if (const auto* tenant = root.find("tenant")) {
    reader.any_text(*tenant, envelope.tenant);
    if (!is_tenant_name(envelope.tenant)) reader.fail(*tenant, "the name of a tenant is expected");
  }
  if (const auto* binding = root.find("binding")) reader.binding(*binding, envelope.binding);
  if (const auto* protocol = root.find("protocol")) reader.line(*protocol, envelope.protocol, true);
  if (const auto* headers = root.find("headers"))
    reader.pairs(*headers, envelope.headers, message::most_chosen_headers, message::most_chosen_header_bytes);
  if (const auto* context = root.find("context")) {
    reader.pairs(*context, envelope.context, most_context, most_context_bytes);
    std::set<std::string_view> names;
    for (size_t i = 0; i < envelope.context.size(); ++i)
      if (!names.insert(envelope.context[i].first).second) reader.fail(context->items[i], "that name is there twice");
  }
}

void read_frame(Reader& reader, const JsonValue& root, PairText& pair) {
  if (const auto* id = reader.need(root, "id")) {
    reader.line(*id, pair.id, false);
    const auto parsed = MessageId::parse(pair.id);
    if (parsed)
      pair.old_id = *parsed;
    else
      reader.fail(*id, parsed.error().message);
    if (const size_t dash = pair.id.find('-'); dash != std::string::npos) pair.node = pair.id.substr(dash + 1);
  }
  if (const auto* size = reader.need(root, "size"))
    pair.size = static_cast<uint64_t>(reader.number(*size, 0, INT64_MAX));
  if (const auto* size = root.find("trace_size"))
    pair.trace_size =
        static_cast<uint64_t>(reader.number(*size, 0, static_cast<int64_t>(std::min<uint64_t>(pair.size, max_trace))));
  if (const auto* checksum = root.find("crc32c")) {
    uint32_t value = 0;
    const std::string& text = checksum->text;
    const bool hex = text.size() == 8 && std::ranges::all_of(text, [&](char c) {
                       const int digit = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
                       value = value << 4 | static_cast<uint32_t>(digit & 15);
                       return digit >= 0;
                     });
    if (checksum->kind != JsonValue::Kind::string || !hex)
      reader.fail(*checksum, "eight lower-case hexadecimal digits are expected");
    pair.checksum = value;
  }
}

}  // namespace

std::string write_pair(const Stored& stored) {
  const message::Envelope& envelope = stored.envelope;
  std::string text = fmt::format("{{\n  \"impulse_message\": {}", version);
  const auto put = [&](std::string_view name, std::string_view value) {
    text += fmt::format(",\n  \"{}\": {}", name, value);
  };
  const auto put_text = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) put(name, text_of(value));
  };
  const auto put_pairs = [&](std::string_view name, const std::vector<std::pair<std::string, std::string>>& pairs) {
    std::string list;
    for (const auto& [key, value] : pairs)
      list +=
          fmt::format("{}\n    {{\"name\": {}, \"value\": {}}}", list.empty() ? "" : ",", text_of(key), text_of(value));
    if (!list.empty()) put(name, fmt::format("[{}\n  ]", list));
  };
  std::string id = stored.id.to_string(stored.node);
  if (stored.node.empty()) id.pop_back();
  put_text("id", id);
  put("size", fmt::format("{}", stored.size()));
  if (!stored.trace.empty()) put("trace_size", fmt::format("{}", stored.trace.size()));
  put("crc32c", fmt::format("\"{:08x}\"", crc32c(crc32c(0, stored.trace), stored.body)));
  put("sender", text_of(envelope.sender));
  std::string recipients;
  for (size_t i = 0; i < envelope.recipients.size(); ++i)
    recipients += fmt::format("{}\n{}", i == 0 ? "" : ",", recipient_of(envelope.recipients[i], stored.states[i]));
  put("recipients", fmt::format("[{}\n  ]", recipients));
  if (envelope.body_type != message::BodyType::seven_bit)
    put_text("body", body_types[static_cast<size_t>(envelope.body_type)]);
  if (envelope.smtputf8) put("smtputf8", "true");
  put_text("ret", ret_names[static_cast<size_t>(envelope.ret)]);
  put_text("envid", envelope.envid);
  put_text("auth", envelope.auth);
  if (envelope.priority != 0) put("priority", fmt::format("{}", envelope.priority));
  if (envelope.hold_until != WallTime{}) put("hold_until", time_of(envelope.hold_until));
  if (const message::DeliverBy& by = envelope.deliver_by; by.given())
    put("deliver_by", fmt::format("{{\"deadline\": {}, \"mode\": \"{}\", \"trace\": {}}}", time_of(by.deadline),
                                  by.mode == 'R' ? "return" : "notify", flag_of(by.trace)));
  if (envelope.require_tls) put("require_tls", "true");
  if (envelope.tls_optional) put("tls_optional", "true");
  put("received", time_of(envelope.received));
  put_text("client", envelope.client.to_string());
  if (envelope.client_port != 0) put("client_port", fmt::format("{}", envelope.client_port));
  put_text("client_name", envelope.client_name);
  put_text("helo", envelope.client_helo);
  put_text("listener", envelope.listener);
  put_text("user", envelope.user);
  put_text("tenant", envelope.tenant);
  // Said of the default one, too: what says nothing gets that of the configuration.
  put_text("binding", envelope.binding.empty() ? std::string_view("default") : envelope.binding);
  put_text("protocol", envelope.protocol);
  put_pairs("context", envelope.context);
  put_pairs("headers", envelope.headers);
  return text + "\n}\n";
}

std::expected<PairText, JsonFault> read_pair(const JsonInput& input) {
  Reader reader;
  PairText pair;
  const auto check_version = [&](const JsonValue& root) {
    reader.object(root);
    const auto* format = reader.need(root, "impulse_message");
    if (format != nullptr && (format->kind != JsonValue::Kind::integer || format->number != version))
      reader.fail(*format, fmt::format("this is not of version {}, which is all that is known here", version));
  };
  const auto take = [&](const JsonValue& root, const JsonValue& item) {
    // The version first, where it is said: another one may have other names.
    if (root.find("impulse_message") != nullptr) check_version(root);
    if (pair.states.size() == message::most_recipients)
      reader.fail(item, fmt::format("more than {} recipients", message::most_recipients));
    if (!reader.fault) read_recipient(reader, item, pair);
    return std::move(reader.fault);
  };
  auto root = parse_pair_json(input, {"recipients", take});
  if (!root) return std::unexpected(std::move(root.error()));
  check_version(*root);
  reader.known(*root, {"impulse_message", "id",           "size",       "trace_size",  "crc32c",   "sender",
                       "recipients",      "body",         "smtputf8",   "ret",         "envid",    "auth",
                       "priority",        "hold_until",   "deliver_by", "require_tls", "received", "client",
                       "client_port",     "client_name",  "helo",       "listener",    "user",     "tenant",
                       "context",         "tls_optional", "binding",    "protocol",    "headers"});
  if (reader.fault) return std::unexpected(std::move(*reader.fault));
  read_frame(reader, *root, pair);
  if (const auto* sender = reader.need(*root, "sender")) reader.address(*sender, pair.envelope.sender, true);
  if (const auto* recipients = reader.need(*root, "recipients")) {
    reader.array(*recipients);
    if (std::ranges::none_of(pair.states, [](const RecipientState& each) { return each.state == State::pending; }))
      reader.fail(*recipients, "none of the recipients is pending");
  }
  read_request(reader, *root, pair.envelope);
  read_origin(reader, *root, pair.envelope);
  if (reader.fault) return std::unexpected(std::move(*reader.fault));
  return pair;
}

std::expected<PairText, JsonFault> read_pair(std::string_view text) {
  return read_pair([rest = text]() mutable { return std::exchange(rest, {}); });
}

std::string pair_name(MessageId id, std::string_view node) {
  std::string name = id.to_string(node);
  if (node.empty()) name.pop_back();
  std::ranges::replace(name, '/', '-');
  return name;
}

}  // namespace impulse::spool
