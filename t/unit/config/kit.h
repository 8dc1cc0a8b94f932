// What the configuration tests share: configurations from text, values by name.
#pragma once

#include "config/engine.h"
#include "config/keys.h"
#include "config/snapshot.h"

#include <cppunit/extensions/HelperMacros.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace impulse::config::test {

// A file system of texts; what is not in it cannot be read.
class Files {
 public:
  std::map<std::string, std::string> texts;

  LoadOptions options() {
    LoadOptions options;
    options.read_file = [this](const std::string& path) -> Result<std::string> {
      const auto found = texts.find(path);
      if (found == texts.end()) return fail(Errc::not_found, "{}: No such file", path);
      return found->second;
    };
    return options;
  }
};

inline std::string all(const Diagnostics& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += diagnostic.render() + "\n";
  return text;
}

inline Built build_text(const std::string& text) {
  Files files;
  files.texts["test.conf"] = text;
  return build(load("test.conf", files.options()));
}

// A tree that has no mistakes.
inline ScopePtr tree(const std::string& text) {
  Built built = build_text(text);
  CPPUNIT_ASSERT_MESSAGE(all(built.diagnostics), !has_errors(built.diagnostics));
  return built.root;
}

inline SnapshotPtr snapshot(const std::string& text) {
  Diagnostics diagnostics;
  SnapshotPtr made = compile(tree(text), 1, diagnostics);
  CPPUNIT_ASSERT_MESSAGE(all(diagnostics), made);
  return made;
}

// The mistakes of a text, as one string; empty when there are none.
inline std::string mistakes(const std::string& text) {
  Built built = build_text(text);
  if (!has_errors(built.diagnostics)) compile(built.root, 1, built.diagnostics);
  return all(built.diagnostics);
}

inline RawValue word(std::string text) {
  RawValue raw;
  raw.text = std::move(text);
  return raw;
}
inline RawValue array(std::vector<std::string> items) {
  RawValue raw;
  raw.kind = RawValue::Kind::array;
  for (std::string& item : items) raw.items.push_back(word(std::move(item)));
  return raw;
}

inline std::shared_ptr<const Source> typed(std::string text) {
  auto source = std::make_shared<Source>();
  source->name = "console: alice";
  source->text = std::move(text);
  return source;
}

inline bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
#define ASSERT_HOLDS(part, text)                                              \
  do {                                                                        \
    const std::string got_ = (text);                                          \
    CPPUNIT_ASSERT_MESSAGE("wanted '" + std::string(part) + "' in:\n" + got_, \
                           impulse::config::test::holds(got_, part));         \
  } while (false)

inline IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }
inline Endpoint at(const char* text) { return Endpoint::parse(text, true).value(); }

}  // namespace impulse::config::test
