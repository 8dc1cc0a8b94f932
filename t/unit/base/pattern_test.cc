// Pattern: PCRE2 with bounds.
#include "base/pattern.h"

#include <cppunit/extensions/HelperMacros.h>

#include <string>

namespace {

using impulse::Pattern;

class PatternTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PatternTest);
  CPPUNIT_TEST(finds_and_matches_whole);
  CPPUNIT_TEST(errors_name_the_place);
  CPPUNIT_TEST(runaways_end);
  CPPUNIT_TEST(takes_any_bytes);
  CPPUNIT_TEST_SUITE_END();

  void finds_and_matches_whole() {
    const auto pattern = Pattern::compile("google\\.(com|es)$", true);
    CPPUNIT_ASSERT(pattern.has_value());
    CPPUNIT_ASSERT(pattern->matches("mail.GOOGLE.com"));
    CPPUNIT_ASSERT(!pattern->matches("google.com.example"));
    CPPUNIT_ASSERT(!pattern->matches_whole("mail.google.com"));
    CPPUNIT_ASSERT(pattern->matches_whole("google.es"));
    CPPUNIT_ASSERT(!Pattern::compile("google")->matches("GOOGLE"));
    // Whole means the alternative that fits, not the first one.
    CPPUNIT_ASSERT(Pattern::compile("a|ab")->matches_whole("ab"));
    CPPUNIT_ASSERT(Pattern::compile("")->matches(""));
  }

  void errors_name_the_place() {
    const auto pattern = Pattern::compile("ab(c");
    CPPUNIT_ASSERT(!pattern.has_value());
    CPPUNIT_ASSERT_EQUAL(std::string("at 5: missing closing parenthesis"), pattern.error().message);
  }

  void runaways_end() {
    const auto pattern = Pattern::compile("^(a+)+$");
    CPPUNIT_ASSERT(pattern.has_value());
    CPPUNIT_ASSERT(!pattern->matches(std::string(64, 'a') + "b"));
  }

  void takes_any_bytes() {
    const auto pattern = Pattern::compile("b.d");
    CPPUNIT_ASSERT(
        pattern->matches("\xff\xfe b\xc3\xa4"
                         "d"));
    CPPUNIT_ASSERT(!pattern->matches(std::string("b\0", 2)));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(PatternTest);

}  // namespace
