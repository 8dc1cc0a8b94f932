// What the words of a `config` command name: a scope, an option, a value.
#pragma once

#include "config/tree.h"
#include "control/command.h"

#include <expected>
#include <optional>
#include <string>

namespace impulse::control {

// What a session looks at: what runs, or the candidate of its transaction.
struct View {
  config::SnapshotPtr running;
  std::shared_ptr<config::Transaction> transaction;  // null: what runs
  config::ScopePtr root;
  Status status() const;  // gen=…, in a transaction edits=… and its name
};
// The error is the whole answer: its transaction has ended.
std::expected<View, Answer> look(const Invocation& call);
// Says that there is no transaction to do `what` with.
Answer no_transaction(std::string_view what);

// For what acts on what runs: whoever types it in a transaction may mean
// another thing.
Answer busy_in_transaction(std::string_view what);

// A word or a string, no array and no dictionary.
bool is_plain(const config::RawValue& word);
// A file that the daemon shall read or write: from the root, since its working
// folder is nobody's business.
std::expected<std::string, Answer> read_file_path(const config::RawValue& word);

// "console: alice", for history, conflicts and logs.
config::Author author_of(const Invocation& call);

struct Target {
  config::ScopePath path;
  std::span<const config::RawValue> rest;  // behind the path
};

// The leading words that are a path, as the session sees the tree. The error
// is the whole answer.
std::expected<Target, Answer> read_target(const Invocation& call);

// An option by its name, as a word of the command.
std::expected<const config::OptionDef*, Answer> read_option(const Target& target, const config::RawValue& word);

// Place of a word in the request: "console:1:12".
std::string place_of(const config::RawValue& word);

// Usage: "config get [SCOPE...] OPTION".
Answer usage(std::string_view name, std::string text);
// One error with a place.
Answer placed_error(Code code, std::string id, const config::RawValue& word, std::string text);

// What a report knows of options that wait for a restart, and what to say of it.
enum class Waiting : uint8_t {
  unknown,  // nothing: it is about a candidate
  changed,  // say which of its changes wait
  all,      // and what has been waiting since before
};

// A report of the engine as an answer: diagnostics, changes, status.
// `extra` is said behind the changes when it went well.
Answer report_answer(config::Report report, const Invocation& call, Step extra = {}, Waiting waiting = Waiting::all);

// Status code of an act on the configuration that was refused.
Code refusal_code(Errc cause);
// One change, or in whole documents: {"scope":…,"change":…}.
Step say_changes(std::shared_ptr<const std::vector<config::Change>> changes);

// What is in the whole scope that was added or removed.
Step say_content(const config::Change& change);

}  // namespace impulse::control
