// show inbound, listener show: who is connected, and where one can connect.
#include "control/columns.h"
#include "control/commands/commands.h"
#include "control/commands/config_target.h"
#include "control/limits.h"

#include <algorithm>

namespace impulse::control {

namespace {

void say_session(Writer& writer, const InboundSession& session) {
  if (writer.json()) {
    writer.document({{"id", session.id},
                     {"listen", session.listener},
                     {"peer", session.peer},
                     {"helo", session.helo.substr(0, 1024)},
                     {"state", session.state},
                     {"tls", session.tls},
                     {"messages", session.messages},
                     {"recipients", session.recipients},
                     {"bytes_in", session.bytes_in},
                     {"generation", session.generation},
                     {"age", static_cast<double>(session.age.count()) / 1e6}});
    return;
  }
  writer.text(fmt::format("{}: {} from {} helo {} {}{} (for {}) messages {} recipients {} bytes {} gen {}", session.id,
                          field(session.listener), field(session.peer), field(session.helo), field(session.state),
                          session.tls ? " tls" : "", age_text(session.age), session.messages, session.recipients,
                          session.bytes_in, session.generation));
}

// Sessions in the order of their ids, a page at a time: what came and went
// while a slow reader read is seen or not, but nothing is held for it.
Step say_sessions(System& system) {
  return [&system, rows = std::vector<InboundSession>(), next = size_t{0}, last = uint64_t{0}, begun = false,
          ended = false](Writer& writer) mutable {
    if (next == rows.size()) {
      if (ended) return false;
      rows = system.inbound();
      if (begun) std::erase_if(rows, [last](const InboundSession& session) { return session.id <= last; });
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
    return true;
  };
}

}  // namespace

Answer show_inbound(const Invocation& call) {
  if (!call.words.empty()) return usage("show inbound", "nothing is expected behind it");
  Status status;
  status.with("sessions", call.system.inbound().size());
  return {std::move(status), say_sessions(call.system), false};
}

Answer listener_show(const Invocation& call) {
  if (!call.words.empty()) return usage("listener show", "nothing is expected behind it");
  auto listens = std::make_shared<const std::vector<ListenStatus>>(call.system.listens());
  Status status;
  status.with("listens", listens->size());
  return {std::move(status),
          each(listens->size(),
               [listens](Writer& writer, size_t i) {
                 const ListenStatus& listen = (*listens)[i];
                 if (writer.json())
                   writer.document({{"listener", listen.listener},
                                    {"listen", listen.endpoint},
                                    {"bound", listen.bound},
                                    {"sessions", listen.sessions}});
                 else
                   writer.text(fmt::format("{} {} {} {}", listen.listener, field(listen.endpoint),
                                           listen.bound ? "listening" : "not listening",
                                           counted(listen.sessions, "session")));
               }),
          false};
}

}  // namespace impulse::control
