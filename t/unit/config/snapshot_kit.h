// What the tests of snapshots share: what a client gets, ladders as text, and
// the snapshot that follows another.
#pragma once

#include "kit.h"

#include <string>
#include <utility>
#include <vector>

namespace impulse::config::test {

inline constexpr ScopeKind esmtp = ScopeKind::esmtp_listener;

// The values for a client of that Listen.
inline const Options& client(const SnapshotPtr& snapshot, const char* listen, const char* address) {
  const ListenConf* conf = snapshot->find_listen(esmtp, at(listen));
  CPPUNIT_ASSERT_MESSAGE(listen, conf);
  return conf->for_peer(ip(address));
}

inline ScopePath path(std::vector<std::string> words) { return read_path(words)->path; }

// "scope=value, scope=value*": the set rungs, the winner starred.
inline std::string ladder(const SnapshotPtr& snapshot, std::vector<std::string> words, const OptionDef& option) {
  std::string text;
  for (const Rung& rung : snapshot->explain(path(std::move(words)), option))
    text += (text.empty() ? "" : ", ") + rung.scope + (rung.set ? "=" + rung.text : "") + (rung.won ? "*" : "");
  return text;
}

// What follows `now` by another text.
inline SnapshotPtr next(const SnapshotPtr& now, const std::string& text) {
  Diagnostics diagnostics;
  SnapshotPtr made = compile(tree(text), now->generation() + 1, diagnostics, now);
  CPPUNIT_ASSERT_MESSAGE(all(diagnostics), made);
  return made;
}

}  // namespace impulse::config::test
