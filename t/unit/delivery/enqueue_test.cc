// What a start found goes into the queue beside everything else.
#include "house.h"

namespace impulse::delivery {
namespace {

using test::House;

class EnqueueTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(EnqueueTest);
  CPPUNIT_TEST(others_have_their_turn);
  CPPUNIT_TEST(no_messages_are_no_work);
  CPPUNIT_TEST_SUITE_END();

  void others_have_their_turn() {
    constexpr uint32_t count = 20, recipients = 1000;
    House house("");
    std::vector<spool::Summary> messages;
    for (uint32_t i = 0; i < count; ++i) {
      spool::Summary& message = messages.emplace_back();
      message.id = {1, 64 + i * 8};
      message.envelope.received = wall_now();
      for (uint32_t j = 0; j < recipients; ++j)
        message.envelope.recipients.push_back({fmt::format("user{}@d{}.example", j, i)});
      message.states.resize(recipients);
    }
    bool done = false;
    uint64_t in_between = 0;
    house.dispatcher->enqueue_all(std::move(messages), [&] { done = true; });
    house.loop->post([&] { in_between = house.dispatcher->size(); });
    house.run_until([&] { return done; });
    CPPUNIT_ASSERT(in_between > 0 && in_between < uint64_t{count} * recipients);
    CPPUNIT_ASSERT_EQUAL(uint64_t{count} * recipients, house.dispatcher->size());
  }

  void no_messages_are_no_work() {
    House house("");
    bool done = false;
    house.dispatcher->enqueue_all({}, [&] { done = true; });
    house.run_until([&] { return done; });
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, house.dispatcher->size());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(EnqueueTest);

}  // namespace
}  // namespace impulse::delivery
