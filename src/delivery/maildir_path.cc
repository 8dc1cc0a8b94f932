// From an address to a folder, safely.
#include "delivery/maildir_path.h"

#include "base/text.h"
#include "message/envelope.h"

#include <limits.h>

namespace impulse::delivery {
namespace {

// "john doe" and john\ doe are the mailbox that john doe is (RFC 5321 §4.1.2).
std::string unquoted(std::string_view local) {
  if (local.size() < 2 || local.front() != '"' || local.back() != '"') return std::string(local);
  local = local.substr(1, local.size() - 2);
  std::string plain;
  for (size_t i = 0; i < local.size(); ++i) {
    if (local[i] == '\\' && i + 1 < local.size()) ++i;
    plain += local[i];
  }
  return plain;
}

}  // namespace

std::string path_component(std::string_view value) {
  constexpr std::string_view also = "-_+=@,~";
  constexpr std::string_view hex = "0123456789ABCDEF";
  if (value.empty()) return "%";
  std::string safe;
  for (const char c : value) {
    const bool plain =
        is_alpha(c) || is_digit(c) || also.find(c) != std::string_view::npos || (c == '.' && !safe.empty());
    if (plain) {
      safe += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      safe += '%';
      safe += hex[byte >> 4];
      safe += hex[byte & 15];
    }
  }
  return safe;
}

Result<MaildirPath> MaildirPath::parse(std::string_view pattern) {
  if (pattern.empty()) return fail(Errc::invalid, "Maildir_Path is not set");
  if (pattern.find('\0') != std::string_view::npos) return fail(Errc::invalid, "Maildir_Path has a NUL in it");
  MaildirPath path;
  std::string text;
  const auto flush = [&] {
    if (!text.empty()) path.parts_.push_back({Kind::text, std::exchange(text, {})});
  };
  while (!pattern.empty()) {
    const size_t percent = pattern.find('%');
    text += pattern.substr(0, percent);
    if (percent == std::string_view::npos) break;
    pattern.remove_prefix(percent);
    if (pattern.starts_with("%%")) {
      text += '%';
      pattern.remove_prefix(2);
      continue;
    }
    const size_t end = pattern.find('}');
    const std::string_view word = pattern.substr(0, end == std::string_view::npos ? end : end + 1);
    const bool domain = iequals(word, "%{domain}");
    if (!domain && !iequals(word, "%{localpart}")) {
      return fail(Errc::invalid, "Maildir_Path: expected %{{domain}}, %{{localpart}} or %%, got '{}'",
                  escape_line(word, 40));
    }
    if (path.base_.empty()) {
      const size_t slash = text.rfind('/');
      path.base_ = slash == std::string::npos ? "." : slash == 0 ? "/" : text.substr(0, slash);
    }
    flush();
    path.parts_.push_back({domain ? Kind::domain : Kind::localpart, {}});
    pattern.remove_prefix(word.size());
  }
  flush();
  if (path.base_.empty()) path.base_ = path.parts_.front().text;
  return path;
}

Result<std::string> MaildirPath::folder(std::string_view address) const {
  if (parts_.empty()) return fail(Errc::invalid, "Maildir_Path is not set");
  std::string folder;
  for (const Part& part : parts_) {
    switch (part.kind) {
      case Kind::text:
        folder += part.text;
        break;
      case Kind::domain:
        folder += path_component(lower(message::domain_of(address)));
        break;
      case Kind::localpart:
        folder += path_component(unquoted(message::local_part_of(address)));
        break;
    }
  }
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  for (const std::string_view component : split(folder, '/')) {
    if (component.size() > NAME_MAX) return fail(Errc::invalid, "the address makes too long a folder name");
  }
  return folder;
}

}  // namespace impulse::delivery
