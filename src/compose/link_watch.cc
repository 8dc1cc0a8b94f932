#include "compose/link_watch.h"

namespace impulse::compose {

namespace {

constexpr size_t longest_beginning = std::string_view("https:/").size();

}  // namespace

void LinkWatch::follow(std::string_view text) {
  const size_t last = text.find_last_of(" \t\r\n\"'<>");
  if (last != std::string_view::npos) {
    tail_.clear();
    inside_ = false;
    text.remove_prefix(last + 1);
  }
  if (inside_) return;
  tail_ += text;
  inside_ = tail_.contains("http://") || tail_.contains("https://");
  if (inside_)
    tail_.clear();
  else if (tail_.size() > longest_beginning)
    tail_.erase(0, tail_.size() - longest_beginning);
}

}  // namespace impulse::compose
