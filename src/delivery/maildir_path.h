// MaildirPath: the pattern of Maildir_Path, and the folder it names for a
// recipient. Whatever stands in an address, the folder is below the pattern's
// base: the part before the first placeholder's component.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>
#include <vector>

namespace impulse::delivery {

class MaildirPath {
 public:
  MaildirPath() = default;
  // "/var/mail/%{domain}/%{localpart}"; "%%" is a percent sign. Errors say
  // what is wrong: an unknown placeholder, an empty path.
  static Result<MaildirPath> parse(std::string_view pattern);

  // Errc::invalid when a component would be longer than a file name may be.
  Result<std::string> folder(std::string_view address) const;
  const std::string& base() const { return base_; }
  friend bool operator==(const MaildirPath&, const MaildirPath&) = default;

 private:
  enum class Kind : unsigned char { text, domain, localpart };
  struct Part {
    Kind kind;
    std::string text;
    friend bool operator==(const Part&, const Part&) = default;
  };
  std::vector<Part> parts_;
  std::string base_;
};

// A value as one path component, or a part of one: letters, digits and
// "-_+=@,~" stay, a '.' where it does not come first; all else is %XX, so
// that different values stay different. Nothing becomes "%".
std::string path_component(std::string_view value);

}  // namespace impulse::delivery
