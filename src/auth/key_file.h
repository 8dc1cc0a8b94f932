// KeyFile: a file of API keys as somebody edits it: keys are made, revoked and
// given an end; comments, order and all other keys stay as they are.
#pragma once

#include "auth/keys.h"
#include "base/clock.h"
#include "base/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace impulse::auth {

// What a new key is for.
struct NewKey {
  std::string user;
  std::string tenant;  // empty: of none
  Rights rights;
  std::optional<WallTime> expires;
  std::string label;
};

class KeyFile {
 public:
  // Errors name the line that is none.
  static Result<KeyFile> parse(std::string_view text);

  const std::string& text() const { return text_; }
  std::vector<KeyEntry> keys() const;  // in order

  // A key that nobody had before, at the end of the file. `presented` is its
  // only trace: the file has the hash.
  struct Made {
    std::string id;
    std::string presented;  // secret
  };
  // Errc::invalid: the file cannot hold that user or label.
  Result<Made> add(const NewKey& key);
  // Its line goes. False: there is no such key.
  bool revoke(std::string_view id);
  // It ends then; nothing: never. False: there is no such key.
  bool expire(std::string_view id, std::optional<WallTime> when);

 private:
  explicit KeyFile(std::string_view text) : text_(text) {}
  // The line of a key replaced, or with an empty one taken out.
  template <class Change>
  bool change_line(std::string_view id, Change change);

  std::string text_;
};

}  // namespace impulse::auth
