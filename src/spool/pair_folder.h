// PairFolder: messages in files (pair.h), in a folder of the operator's choice.
// All is done beneath the folder as it was opened: no name of it leads out, and
// no symbolic link is followed; nothing that is there is overwritten. Blocks on
// the disk; one thread at a time.
#pragma once

#include "base/fd.h"
#include "message/body_sink.h"
#include "spool/pair.h"

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::spool {

// What is wrong with a file, and where in it (0: the file as a whole).
struct PairFault {
  std::string file;
  uint64_t line = 0;
  uint64_t column = 0;
  Error why;
  std::string place() const;  // "x.json:3:17", or "x.eml"
};

// A message read from files.
struct Pair {
  std::string name;
  PairText text;               // its envelope and states are in `incoming`
  uint64_t document_size = 0;  // bytes; what is in memory of envelope and states is about as much
  Incoming incoming;
};

class PairFolder {
 public:
  // `path` is absolute. Errors: what is no folder (or a symbolic link), one that
  // all may write to (denied), one that somebody else exports to or imports from
  // just now (busy), a spool (invalid). With `make` it is made when it is
  // missing, its name durable, for this user alone.
  static Result<PairFolder> open(const std::string& path, bool make);

  const std::string& path() const { return path_; }

  // Writes both files, each durable but for its name (sync()). Under that name
  // there may be the very same message: true is returned when it was written,
  // false when it was there. Errc::exists: another one is there. Errc::invalid:
  // no read() would take it.
  Result<bool> write(const Stored& stored);
  bool has(MessageId id, std::string_view node) const;
  // All names in it are durable.
  Result<> sync();

  // Names of pairs, and of files that may be halves of pairs, ascending.
  Result<std::vector<std::string>> names() const;
  // Both files. Either is a regular file with one name, of this user, root, or the
  // folder's owner, to which not anybody may write; and does not change while it
  // is read. Of a long body what is behind `in_memory` bytes goes into what
  // `stream` makes.
  std::expected<Pair, PairFault> read(const std::string& name, uint64_t in_memory, const message::BeginBody& stream);

  // By what name this folder is known to receipts, wherever it is moved: a
  // random text that is kept in it, durable.
  Result<std::string> token();
  // The folder "done" in it is there, and its name durable.
  Result<> make_done();
  // Moves a pair there; what is moved already, or is not there, is no error.
  Result<> retire(const std::string& name);
  bool retired(const std::string& name) const;
  // … and all names in it are durable, too.
  Result<> sync_done();

 private:
  PairFolder(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  Result<> create(const std::string& name, std::string_view first, std::string_view second) const;
  Result<bool> place(const std::string& name, std::string_view first, std::string_view second) const;
  bool holds(const std::string& name, std::string_view first, std::string_view second) const;
  std::string full(std::string_view name) const { return path_ + "/" + std::string(name); }

  std::string path_;
  UniqueFd fd_;
  UniqueFd done_;
};

}  // namespace impulse::spool
