#include "ecstream/goaway.h"

#include <array>

namespace impulse::ecstream {

namespace {

struct Row {
  GoAway code;
  std::string_view name;
  std::string_view text;
  Again again;
};

constexpr std::array rows{
    Row{GoAway::done, "done", "2.0.0 Done", Again::no},
    Row{GoAway::shutdown, "shutdown", "4.3.2 Shutting down", Again::in_a_while},
    Row{GoAway::reconfigured, "reconfigured", "4.3.2 Reconfiguration in progress", Again::at_once},
    Row{GoAway::idle, "idle", "4.4.2 Idle for too long", Again::at_once},
    Row{GoAway::limits, "limits", "4.3.2 Not now", Again::in_a_while},
    Row{GoAway::denied, "denied", "5.7.1 Access denied", Again::no},
    Row{GoAway::lifetime, "lifetime", "4.3.2 This connection is old enough", Again::at_once},
    Row{GoAway::tls_required, "tls_required", "5.7.0 TLS is required", Again::no},
    Row{GoAway::auth_required, "auth_required", "5.7.0 Authentication required", Again::no},
    Row{GoAway::auth_failed, "auth_failed", "5.7.8 Too many failures", Again::no},
    Row{GoAway::malformed, "malformed", "5.5.2 Not a frame of ECStream", Again::no},
    Row{GoAway::too_large, "too_large", "5.5.2 Frame too long", Again::no},
    Row{GoAway::unexpected, "unexpected", "5.5.1 That frame cannot come now", Again::no},
    Row{GoAway::sequence, "sequence", "5.5.1 Sequence is not the next one", Again::no},
    Row{GoAway::window, "window", "5.5.1 More than the window lets through", Again::no},
    Row{GoAway::version, "version", "5.5.1 No common version", Again::no},
    Row{GoAway::checksum, "checksum", "4.4.0 Checksum does not match", Again::at_once},
    Row{GoAway::stream, "stream", "5.5.4 Not a stream that can be opened so", Again::no},
    Row{GoAway::taken_over, "taken_over", "4.3.2 Another connection has opened the stream", Again::no},
    Row{GoAway::storage, "storage", "4.3.0 Cannot store messages now", Again::in_a_while},
    Row{GoAway::killed, "killed", "4.3.2 Connection ended by the operator", Again::in_a_while},
    Row{GoAway::internal, "internal", "4.3.0 Internal trouble", Again::in_a_while},
};

const Row* find(GoAway code) {
  for (const Row& row : rows)
    if (row.code == code) return &row;
  return nullptr;
}

}  // namespace

std::string_view name(GoAway code) {
  const Row* const row = find(code);
  return row != nullptr ? row->name : "unknown";
}

std::string_view text(GoAway code) {
  const Row* const row = find(code);
  return row != nullptr ? row->text : "";
}

Again again(GoAway code) {
  const Row* const row = find(code);
  return row != nullptr ? row->again : Again::in_a_while;
}

}  // namespace impulse::ecstream
