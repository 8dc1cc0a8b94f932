// Which Binding mail gets, as the configuration has it.
#include "queue/binding.h"

#include "../config/kit.h"

#include <cppunit/extensions/HelperMacros.h>

#include <map>
#include <string>

namespace impulse::queue {
namespace {

class BindingTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(BindingTest);
  CPPUNIT_TEST(each_group_has_its_turns);
  CPPUNIT_TEST(a_suspended_one_s_share_goes_to_all);
  CPPUNIT_TEST(all_are_suspended);
  CPPUNIT_TEST(what_may_stay_stays);
  CPPUNIT_TEST_SUITE_END();

  static std::string choose(const config::SnapshotPtr& snapshot, const std::string& wish, GroupTurns* turns = nullptr,
                            std::string_view current = {}) {
    return choose_binding(*snapshot, wish, current, turns).value_or("none");
  }

  void each_group_has_its_turns() {
    const auto snapshot = config::test::snapshot(
        "Binding_Group g { Binding g1 { } Binding g2 { } }\nBinding_Group h { Binding h1 { } Binding h2 { } }\n"
        "Binding b { }\n");
    GroupTurns turns;
    std::map<std::string, int> count;
    for (int i = 0; i < 10; ++i) {
      for (const char* wish : {"g", "h", "b", "nowhere"}) ++count[choose(snapshot, wish, &turns)];
    }
    const std::map<std::string, int> even{{"g1", 5}, {"g2", 5}, {"h1", 5}, {"h2", 5}, {"b", 10}, {"none", 10}};
    CPPUNIT_ASSERT(even == count);
  }

  void a_suspended_one_s_share_goes_to_all() {
    const auto snapshot = config::test::snapshot(
        "Binding_Group g { Binding g1 { Suspend_Delivery = true } Binding g2 { } Binding g3 { } }\n");
    GroupTurns turns;
    std::map<std::string, int> count;
    for (int i = 0; i < 12; ++i) ++count[choose(snapshot, "g", &turns)];
    CPPUNIT_ASSERT((std::map<std::string, int>{{"g2", 6}, {"g3", 6}}) == count);
  }

  void all_are_suspended() {
    const auto snapshot =
        config::test::snapshot("Suspend_Delivery = true\nBinding_Group g { Binding g1 { } Binding g2 { } }\n");
    GroupTurns turns;
    for (const char* each : {"g1", "g2", "g1"}) CPPUNIT_ASSERT_EQUAL(std::string(each), choose(snapshot, "g", &turns));
  }

  void what_may_stay_stays() {
    const auto snapshot = config::test::snapshot(
        "Binding_Group g { Binding g1 { Suspend_Delivery = true } Binding g2 { } Binding g3 { } }\n");
    GroupTurns turns;
    for (int i = 0; i < 3; ++i) CPPUNIT_ASSERT_EQUAL(std::string("g3"), choose(snapshot, "g", &turns, "g3"));
    CPPUNIT_ASSERT_EQUAL(std::string("g2"), choose(snapshot, "g", nullptr, "g1"));
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(BindingTest);

}  // namespace
}  // namespace impulse::queue
