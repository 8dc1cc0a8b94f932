// show inbound, session kill: who is connected, and away with them.
#include "base/ip.h"
#include "base/text.h"
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/commands/queue_words.h"
#include "control/limits.h"

#include <algorithm>
#include <array>

namespace impulse::control {

namespace {

void say_session(Writer& writer, const InboundSession& session) {
  if (writer.json()) {
    Json document{{"id", session.id},
                  {"listen", session.listener},
                  {"peer", session.peer},
                  {"proxy", session.proxy},
                  {"helo", session.helo.substr(0, 1024)},
                  {"user", session.user.substr(0, 1024)},
                  {"state", session.state},
                  {"tls", session.tls},
                  {"messages", session.messages},
                  {"recipients", session.recipients},
                  {"bytes_in", session.bytes_in},
                  {"generation", session.generation},
                  {"age", static_cast<double>(session.age.count()) / 1e6}};
    if (!session.tenant.empty()) document["tenant"] = session.tenant;
    writer.document(document);
    return;
  }
  writer.text(fmt::format("{}: {} from {}{}{} helo {}{}{}{}{} {}{} (for {}) messages {} recipients {} bytes {} gen {}",
                          session.id, field(session.listener), field(session.peer), session.proxy.empty() ? "" : " by ",
                          session.proxy.empty() ? "" : field(session.proxy), field(session.helo),
                          session.tenant.empty() ? "" : " tenant ", session.tenant.empty() ? "" : field(session.tenant),
                          session.user.empty() ? "" : " user ", session.user.empty() ? "" : field(session.user),
                          field(session.state), session.tls ? " tls" : "", age_text(session.age), session.messages,
                          session.recipients, session.bytes_in, session.generation));
}

// What the sessions of SMTP, ECStream and HTTP call their states.
constexpr std::array<std::string_view, 18> states = {"connected", "greeted",  "auth",   "mail",  "rcpt",    "data",
                                                     "commit",    "starttls", "closed", "ready", "opening", "open",
                                                     "closing",   "body",     "idle",   "head",  "answer",  "drain"};

// Which sessions `show inbound` is about.
struct Filter {
  std::string listener;  // a Listen, canonical, or the name of a listener
  std::optional<IpPrefix> peer;
  std::string state;
  std::optional<Duration> older;
  std::optional<uint64_t> limit;

  bool all() const { return listener.empty() && !peer && state.empty() && !older; }
  bool takes(const InboundSession& session) const;
};

// The address of "192.0.2.1:25" or "[2001:db8::1]:25"; a Unix socket's client
// counts as loopback.
IpAddress address_of(const std::string& peer) {
  const auto endpoint = Endpoint::parse(peer, true);
  return endpoint && !endpoint->is_unix() ? endpoint->address() : IpAddress::v4(0x7F000001);
}

bool Filter::takes(const InboundSession& session) const {
  return (listener.empty() || iequals(session.listener, listener) || iequals(session.kind, listener)) &&
         (state.empty() || iequals(session.state, state)) && (!older || session.age >= *older) &&
         (!peer || peer->contains(address_of(session.peer)));
}

// One filter; the error says what is wrong with its value.
Result<> read_filter(Filter& filter, std::string_view name, const config::RawValue& word) {
  if (iequals(name, "listener")) {
    const auto endpoint = Endpoint::parse(word.text);
    const config::ScopeDef* scope = config::find_scope(word.text);
    if (!endpoint && scope == nullptr) return fail(Errc::invalid, "a listener or a Listen is expected");
    filter.listener = endpoint ? endpoint->to_string() : std::string(scope->name);
  } else if (iequals(name, "peer")) {
    const auto prefix = IpPrefix::parse(word.text);
    if (!prefix) return std::unexpected(prefix.error());
    filter.peer = *prefix;
  } else if (iequals(name, "state")) {
    if (std::ranges::none_of(states, [&](std::string_view known) { return iequals(known, word.text); }))
      return fail(Errc::invalid, "a state is one of {}", fmt::join(states, ", "));
    filter.state = word.text;
  } else if (iequals(name, "older")) {
    const auto older = read_duration(word);
    if (!older) return std::unexpected(older.error());
    filter.older = *older;
  } else if (iequals(name, "limit")) {
    const auto limit = parse_unsigned(word.text, UINT32_MAX);
    if (!limit || *limit == 0) return fail(Errc::invalid, "a limit is a number above 0");
    filter.limit = *limit;
  } else {
    return fail(Errc::unavailable, "a filter is one of listener, peer, state, older, limit");
  }
  return {};
}

// NAME=VALUE, as one word or with blanks.
std::expected<Filter, Answer> read_filters(const Invocation& call) {
  Filter filter;
  for (size_t i = 0; i < call.words.size(); ++i) {
    config::RawValue name = call.words[i];
    config::RawValue value = name;
    if (const size_t sign = name.text.find('='); sign != std::string::npos) {
      value.text = name.text.substr(sign + 1);
      name.text.resize(sign);
    } else if (i + 1 < call.words.size()) {
      value = call.words[++i];  // an "=" between them is no word
    } else {
      return std::unexpected(placed_error(Code::usage, "control-usage", name,
                                          "filters are NAME=VALUE: listener, peer, state, older, limit"));
    }
    if (auto read = read_filter(filter, name.text, value); !read)
      return std::unexpected(placed_error(Code::usage, "control-usage",
                                          read.error().code == Errc::unavailable ? name : value, read.error().message));
  }
  return filter;
}

// Sessions in the order of their ids, a page at a time: what came and went
// while a slow reader read is seen or not, but nothing is held for it.
Step say_sessions(System& system, Filter filter) {
  return [&system, filter = std::move(filter), rows = std::vector<InboundSession>(), next = size_t{0},
          last = uint64_t{0}, said = uint64_t{0}, begun = false, ended = false](Writer& writer) mutable {
    if (filter.limit && said == *filter.limit) return false;
    if (next == rows.size()) {
      if (ended) return false;
      rows = system.inbound();
      if (begun || !filter.all())
        std::erase_if(rows, [&](const InboundSession& session) {
          return (begun && session.id <= last) || !filter.takes(session);
        });
      const auto by_id = [](const InboundSession& a, const InboundSession& b) { return a.id < b.id; };
      ended = rows.size() <= page;
      if (!ended) {
        std::nth_element(rows.begin(), rows.begin() + page, rows.end(), by_id);
        rows = std::vector<InboundSession>(std::make_move_iterator(rows.begin()),
                                           std::make_move_iterator(rows.begin() + page));
      }
      std::sort(rows.begin(), rows.end(), by_id);
      next = 0;
      begun = true;
      if (rows.empty()) return false;
      last = rows.back().id;
    }
    say_session(writer, rows[next++]);
    ++said;
    return true;
  };
}

}  // namespace

Answer show_inbound(const Invocation& call) {
  auto filter = read_filters(call);
  if (!filter) return std::move(filter.error());
  const std::vector<InboundSession> sessions = call.system.inbound();
  Status status;
  status.with("sessions", sessions.size());
  if (!filter->all() || filter->limit) {
    const auto matching = static_cast<uint64_t>(std::count_if(
        sessions.begin(), sessions.end(), [&](const InboundSession& session) { return filter->takes(session); }));
    status.with("matching", matching);
  }
  return {std::move(status), say_sessions(call.system, std::move(*filter)), false};
}

Answer session_kill(const Invocation& call) {
  if (call.words.size() != 1) return usage("session kill", "the id of a session is expected");
  const config::RawValue& word = call.words.front();
  const auto id = parse_unsigned(word.text);
  if (!id) return placed_error(Code::usage, "control-usage", word, "a session's id is a number (see 'show inbound')");
  if (!call.system.kill_session(*id))
    return Answer::error(Code::not_found, "session-unknown", fmt::format("there is no session {}", *id));
  return Answer::once({}, [id = *id](Writer& writer) {
    if (writer.json())
      writer.document({{"id", id}, {"killed", true}});
    else
      writer.text(fmt::format("session {} is told to go", id));
  });
}

}  // namespace impulse::control
