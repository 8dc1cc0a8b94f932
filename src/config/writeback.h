// Writeback: what runs, told by the files again, every comment and line kept
// that need not change (DESIGN §3). Pure: texts in, texts out; only write_files
// touches the disk.
#pragma once

#include "config/loader.h"
#include "config/tree.h"

#include <string>
#include <vector>

namespace impulse::config {

struct WritebackRules {
  std::string local_changes_file;   // Local_Changes_File; empty: none
  bool local_changes_only = false;  // Local_Changes_Only: every edit goes there
};

struct FileEdit {
  std::string path;
  std::string before;  // as it was read; refused when the file says something else by now
  std::string after;
  bool created = false;  // must not be there yet
};

struct WritebackPlan {
  std::vector<FileEdit> files;     // only those that change
  std::vector<std::string> notes;  // "Local_Changes_File: Hostname (its file is read-only)"
};

// The edits that make `loaded` say `wanted`. An option is changed in place
// where it was last set, when that file is writable; else, and for what is new,
// it goes behind the last thing in the first writable file that opened its
// scope; else into the Local_Changes_File (an include of it is added to the
// main file where none is). Values whose meaning is the same keep their
// spelling. Errors: denied when nothing writable is left.
Result<WritebackPlan> plan_writeback(const Loaded& loaded, const ScopePtr& wanted, const WritebackRules& rules);

// All of a configuration in one text, in the language, secrets included.
// Reading it gives the same tree.
std::string write_config(const ScopePtr& root);

// Replaces each file (temp file in the same folder, fsync, rename, fsync of the
// folder; owner and mode kept), all checked before the first is replaced.
// conflict: a file changed since it was read.
Result<> write_files(const std::vector<FileEdit>& files);

}  // namespace impulse::config
