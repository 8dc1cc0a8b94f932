// Real Momentum configuration: every file of the corpus parses without error.
// IMPULSE_CONF_CORPUS names its folder, else ../shared/conf-corpus beside the
// source tree is looked for; without either there is nothing to test, and the
// test says so.
#include "base/files.h"
#include "kit.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

using namespace kit;

namespace {

class CorpusTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(CorpusTest);
  CPPUNIT_TEST(every_file_parses);
  CPPUNIT_TEST_SUITE_END();

  static std::string folder() {
    if (const char* named = std::getenv("IMPULSE_CONF_CORPUS"); named != nullptr && *named != '\0') {
      CPPUNIT_ASSERT_MESSAGE(named, std::filesystem::is_directory(named));
      return named;
    }
    const std::string beside = std::string(SOURCE_FOLDER) + "/../shared/conf-corpus";
    return std::filesystem::is_directory(beside) ? beside : std::string();
  }

  void every_file_parses() {
    const std::string path = folder();
    if (path.empty()) {
      std::fprintf(stderr, "corpus_test: skipped, no corpus (set IMPULSE_CONF_CORPUS)\n");
      return;
    }
    size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
      if (!entry.is_regular_file()) continue;
      const auto text = impulse::read_file(entry.path().string());
      CPPUNIT_ASSERT_MESSAGE(entry.path().string(), text.has_value());
      const SyntaxTree tree = parse(source(*text, entry.path().filename().string()));
      CPPUNIT_ASSERT_EQUAL(std::string(), rendered(tree.diagnostics));
      CPPUNIT_ASSERT_MESSAGE(entry.path().string(), !tree.nodes.empty());
      ++files;
    }
    CPPUNIT_ASSERT(files > 0);
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(CorpusTest);

}  // namespace
