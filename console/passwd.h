// What ec_passwd does in all its ways: its exit statuses and complaints, and
// files that are edited by one at a time and replaced in one step.
#pragma once

#include "base/fd.h"
#include "base/result.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>

namespace impulse::console::passwd {

enum Status : int { status_done = 0, status_no = 1, status_usage = 2, status_file = 3, status_no_password = 4 };

void print(std::FILE* stream, std::string_view text);
// Says it on standard error; returns `status`.
int complain(Status status, std::string_view text);
int misused(std::string_view text);  // with the usage; status_usage
void print_help();

// A file while somebody edits it. Who edits another file in its folder waits;
// who only looks does not, nor makes anybody wait.
class EditedFile {
 public:
  enum class Purpose : uint8_t { look, edit, make };
  // Of a link, what it leads to: that is what impulsed reads. A file that is
  // not there is an empty one for `make`, else an error.
  static Result<EditedFile> open(const std::string& name, Purpose purpose);

  const std::string& text() const { return text_; }
  // Not after `look`. The new content in the old one's place. Whoever had the file keeps it, also
  // when it is root who edits; and a group that could read it still can.
  Result<> put(std::string_view text) const;

 private:
  EditedFile(std::filesystem::path path, UniqueFd lock) : path_(std::move(path)), lock_(std::move(lock)) {}

  std::filesystem::path path_;
  UniqueFd lock_;  // goes with the descriptor
  std::string text_;
};

// `ec_passwd key …`: API keys. The words behind "key"; returns the exit status.
int run_keys(int argc, char** argv);
// Whether that is one of the words that may stand behind "key".
bool is_key_action(std::string_view word);

}  // namespace impulse::console::passwd
