// Writeback: what runs, told by the files again, every comment and line kept
// that need not change (DESIGN §3). Pure: texts in, texts out; only write_files
// touches the disk.
#pragma once

#include "config/loader.h"
#include "config/tree.h"

#include <functional>
#include <string>
#include <vector>

namespace impulse::config {

struct WritebackRules {
  std::string local_changes_file;   // Local_Changes_File, relative to the main file's folder; empty: none
  bool local_changes_only = false;  // Local_Changes_Only: every edit goes there
  // Tests pass fakes; empty: the real file system.
  std::function<bool(const std::string& path)> writable;  // may this file be replaced?
  ReadFile read_file;                                     // for a Local_Changes_File that nothing includes yet
};

struct FileEdit {
  std::string path;
  std::string before;  // as it was read; refused when the file says something else by now
  std::string after;
  bool created = false;  // must not be there yet
};

struct WritebackPlan {
  std::vector<FileEdit> files;     // only those that change, a created one first
  std::vector<std::string> notes;  // "Hostname: goes to local.conf (impulse.conf is read-only)"
};

// The edits that make `loaded` say `wanted`. An option is changed in place
// where it was last set, when that file is writable; else, and for what is new,
// it goes behind the last thing in the first writable file that opened its
// scope; else into the Local_Changes_File (an include of it is added to the
// main file where none is); else its scope is opened again in the first
// writable file around it. A place behind which a read-only file sets the
// option again is passed over. What is removed is removed wherever it is said.
// Values whose meaning is the same keep their spelling. The result is read
// again and compared before it is returned.
// Errors: denied when nothing writable is left, invalid when `loaded` has
// mistakes, conflict when the Local_Changes_File is there and says something,
// but nothing includes it.
Result<WritebackPlan> plan_writeback(const Loaded& loaded, const ScopePtr& wanted, const WritebackRules& rules);

// All of a configuration in one text, in the language, secrets included.
// Reading it gives the same tree.
std::string write_config(const ScopePtr& root);

// Replaces each file (temp file in the same folder, fsync, rename, fsync of the
// folder; owner and mode kept, 0640 for a new one; behind a symbolic link its
// target), all checked before the first is replaced. Temp files never stay.
// conflict: a file changed since it was read, is gone, or is there already.
// When a later step fails the error says which files are already replaced.
Result<> write_files(const std::vector<FileEdit>& files);

}  // namespace impulse::config
