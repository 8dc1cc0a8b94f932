#include "smtp/data_receiver.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace impulse::smtp {

namespace {

const char* find(const char* from, const char* end, char c) {
  const void* const found = std::memchr(from, c, static_cast<size_t>(end - from));
  return found != nullptr ? static_cast<const char*>(found) : end;
}

std::string_view view(const char* from, const char* end) { return {from, static_cast<size_t>(end - from)}; }

}  // namespace

void DataReceiver::begin(const Policy& policy, message::BeginBody large) {
  begin_chunks(policy, false, std::move(large));
  at_ = At::line_start;
}

void DataReceiver::begin_chunks(const Policy& policy, bool binary, message::BeginBody large) {
  receiver_ = message::BodyReceiver(policy, binary, std::move(large));
  at_ = At::end;
}

size_t DataReceiver::feed(std::string_view bytes) {
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  Marks marks;
  while (at != end && at_ != At::end) {
    const bool plain = (at_ == At::line_start && *at != '.') || at_ == At::text;
    if (plain) at = run(at, end, marks);
    if (at != end) step(*at++);
  }
  return static_cast<size_t>(at - bytes.data());
}

// The fast way: whole lines, as long as nothing is the matter with them. Stops
// before whatever step() has to look at: a dot that opens a line, a lone CR
// or LF, a CR at the end of the input.
const char* DataReceiver::run(const char* from, const char* end, Marks& marks) {
  const char* line = from;
  while (line != end) {
    if (*line == '.' && (line != from || at_ == At::line_start)) {
      kept().keep(view(from, line));
      at_ = At::line_start;
      return line;
    }
    // Each mark is looked for once, even when the input is nothing but lone CRs or LFs.
    if (marks.cr == nullptr || marks.cr < line) marks.cr = find(line, end, '\r');
    if (marks.lf == nullptr || marks.lf < line) marks.lf = find(line, end, '\n');
    if (marks.lf == end || marks.cr + 1 != marks.lf) {
      const char* const stop = std::min(marks.cr, marks.lf);
      kept().keep(view(from, stop));
      at_ = At::text;  // what comes next is no dot, so that it may be a line's start as well
      return stop;
    }
    line = marks.lf + 1;
  }
  kept().keep(view(from, end));
  at_ = At::line_start;  // the input ended in CRLF
  return end;
}

// One byte, by the book.
void DataReceiver::step(char c) {
  switch (at_) {
    case At::line_start:
      if (c == '.')
        at_ = At::dot;
      else
        text(c);
      break;
    case At::dot:
      if (c == '\r')
        at_ = At::dot_cr;
      else
        text(c);  // the dot was stuffing
      break;
    case At::dot_cr:
      if (c == '\n') {
        at_ = At::end;
        kept().finish();
        break;
      }
      kept().lone('\r');
      text(c);
      break;
    case At::text:
      text(c);
      break;
    case At::cr:
      if (c == '\n') {
        kept().keep("\r\n");
        at_ = At::line_start;
        break;
      }
      kept().lone('\r');
      text(c);
      break;
    case At::end:
      break;
  }
}

void DataReceiver::text(char c) {
  if (c == '\r') {
    at_ = At::cr;
    return;
  }
  at_ = At::text;
  if (c == '\n')
    kept().lone(c);
  else
    kept().keep({&c, 1});
}

}  // namespace impulse::smtp
