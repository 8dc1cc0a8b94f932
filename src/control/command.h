// Commands as rows of a table, from which dispatch, help and completion come.
#pragma once

#include "base/clock.h"
#include "config/syntax.h"
#include "control/answer.h"
#include "control/system.h"
#include "control/workspace.h"

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::control {

// Who is at the other end, as the transport found out.
struct PeerIdentity {
  uid_t uid = static_cast<uid_t>(-1);  // of a Unix peer; -1: not known
  std::string user;                    // name of that user; empty: nobody that is known
  std::string via;                     // canonical endpoint it came by
  std::string to_string() const;       // "alice", "uid 1000" or "anonymous"
};

// What a session says about the daemon, and the clock it reads.
struct About {
  std::string version;  // "0.1.0"
  std::function<WallTime()> now = wall_now;
};

class CommandTable;
class Access;

// One call of a command. References are good for the call only, but for
// `system` and `table`, which outlive the session.
struct Invocation {
  System& system;
  const CommandTable& table;
  const PeerIdentity& peer;
  const About& about;
  bool json = false;
  std::span<const config::RawValue> words;       // behind the command's own
  std::string_view rest;                         // the same, as typed: for raw commands
  const std::string* payload = nullptr;          // null: none came
  std::shared_ptr<const config::Source> source;  // the request line; places count in it
  Workspace& workspace;                          // of the session; outlives the answer, too
  const Access* access = nullptr;                // null: everybody may do everything (tests)
};

// What may stand behind a command's words: for completion.
enum class Argument : uint8_t {
  nothing,
  command,       // words of a command, or the name of an option or a scope
  scope,         // a path
  scope_option,  // a path and an option
  setting,       // a path, an option and a value
  check,         // --check
  transaction,   // the name of a transaction
  generation,    // numbers in the history
  kind,          // a kind of scope
  counter,       // the name of a counter
  debug_flags,   // an area and a level of the log
  domain,        // a domain with mail in the queue
  message,       // a message id
  line,          // the rest of the line, taken raw: quotes need not be closed
};

struct Command {
  std::string_view name;      // "config set"
  std::string_view synopsis;  // what follows: "[SCOPE...] OPTION [=] VALUE"
  std::string_view help;      // one line
  std::string_view text;      // a paragraph
  Argument argument = Argument::nothing;
  bool takes_payload = false;
  Answer (*run)(const Invocation&) = nullptr;
};

class CommandTable {
 public:
  explicit CommandTable(std::span<const Command> commands) : commands_(commands) {}  // borrowed, must outlive it
  std::span<const Command> commands() const { return commands_; }

  // The command that the first words name (the longest wins), and how many
  // words that took. When there is none: `command` is null, `used` counts the
  // leading words that do begin a command ("config" of "config nonsense").
  struct Found {
    const Command* command = nullptr;
    size_t used = 0;
  };
  Found find(std::span<const std::string_view> words) const;
  // Words that can follow `words` in a command's name, in table order, once each.
  std::vector<std::string_view> next_words(std::span<const std::string_view> words) const;

 private:
  std::span<const Command> commands_;
};

// All commands of this version.
std::span<const Command> all_commands();

}  // namespace impulse::control
