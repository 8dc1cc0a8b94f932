// Server_Max_Outbound_Connections of a Binding, and of the server beside it.
#include "house.h"
#include "sink.h"

#include <algorithm>
#include <map>

namespace impulse::delivery {
namespace {

using namespace test;

class SlotsTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SlotsTest);
  CPPUNIT_TEST(a_binding_has_its_own);
  CPPUNIT_TEST(each_of_a_group_has_so_many);
  CPPUNIT_TEST(its_hops_have_them_in_turn);
  CPPUNIT_TEST(only_its_own_make_room);
  CPPUNIT_TEST(a_commit_counts_at_once);
  CPPUNIT_TEST_SUITE_END();

  // Nobody's message is taken before `go`.
  struct Gate {
    std::promise<void> go;
    Script script() {
      Script script;
      script.data = [may = go.get_future().share()](const Letter&) {
        may.wait();
        return "";
      };
      return script;
    }
  };

  static std::string text(const Sink& sink, const std::string& bindings) {
    return fmt::format("Gateway = \"127.0.0.1:{}\"\nTLS = no\nRetry_Interval = 1s\n{}\n", sink.port(), bindings);
  }
  static void submit(House& house, const std::string& binding, int count, const std::string& tenant = {}) {
    for (int i = 0; i < count; ++i)
      house.submit(binding + "@x.example", {"a@d.example"}, "Subject: hello\r\n\r\nbody\r\n", Duration{0},
                   [&](message::Envelope& envelope) {
                     envelope.binding = binding;
                     envelope.tenant = tenant;
                   });
  }
  static std::map<std::string, int> open(House& house) {
    std::map<std::string, int> count;
    for (const Outbound& each : house.dispatcher->connections()) ++count[each.binding];
    return count;
  }

  void a_binding_has_its_own() {
    Gate gate;
    Sink sink(gate.script());
    House house(text(sink,
                     "Max_Outbound_Connections = 5\n"
                     "Binding b1 { Server_Max_Outbound_Connections = 2 }\nBinding b2 { }"));
    for (const char* binding : {"b1", "b2", ""}) submit(house, binding, 20);
    house.run_until([&] { return house.dispatcher->size() == 60; });
    house.dispatcher->start();
    const std::map<std::string, int> wanted{{"b1", 2}, {"b2", 5}, {"default", 5}};
    house.run_until([&] { return open(house) == wanted && sink.open() == 12; }, "2, 5 and 5 connections");
    gate.go.set_value();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(12, sink.most_open());
    CPPUNIT_ASSERT_EQUAL(size_t{60}, sink.count());
  }

  void each_of_a_group_has_so_many() {
    Gate gate;
    Sink sink(gate.script());
    House house(text(sink, "Binding_Group g { Server_Max_Outbound_Connections = 2\nBinding b1 { }\nBinding b2 { } }"));
    for (const char* binding : {"b1", "b2"}) submit(house, binding, 20);
    house.run_until([&] { return house.dispatcher->size() == 40; });
    house.dispatcher->start();
    const std::map<std::string, int> wanted{{"b1", 2}, {"b2", 2}};
    house.run_until([&] { return open(house) == wanted && sink.open() == 4; }, "2 and 2 connections");
    gate.go.set_value();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(4, sink.most_open());
  }

  static size_t place_of(const std::vector<Letter>& letters, const std::string& sender, int nth) {
    size_t place = 0;
    for (const Letter& letter : letters) {
      if (letter.sender == sender && --nth == 0) return place;
      ++place;
    }
    CPPUNIT_FAIL("nothing of " + sender);
    return place;
  }

  // Two tenants' mail by one Binding goes by two hops, which share one connection.
  void its_hops_have_them_in_turn() {
    Sink sink;
    House house(text(sink, "Binding b1 { Server_Max_Outbound_Connections = 1 }"));
    submit(house, "b1", 100, "alpha");
    house.submit("beta@x.example", {"a@d.example"}, "Subject: hello\r\n\r\nbody\r\n", Duration{0},
                 [](message::Envelope& envelope) {
                   envelope.binding = "b1";
                   envelope.tenant = "beta";
                 });
    house.run_until([&] { return house.dispatcher->size() == 101; });
    house.dispatcher->start();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(1, sink.most_open());
    CPPUNIT_ASSERT(place_of(sink.letters(), "beta@x.example", 1) < 60);
  }

  // One Binding's need ends no connection of another, as it would not help.
  void only_its_own_make_room() {
    Sink sink;
    House house(text(sink, "Idle_Timeout = 1h\nBinding b1 { Server_Max_Outbound_Connections = 1 }\nBinding b2 { }"));
    house.dispatcher->start();
    submit(house, "b2", 1);
    house.run_until_empty();
    for (const char* tenant : {"alpha", "beta", "alpha", "beta"}) {
      submit(house, "b1", 1, tenant);
      house.run_until_empty();
    }
    submit(house, "b2", 1);
    house.run_until_empty();
    const auto letters = sink.letters();
    CPPUNIT_ASSERT_EQUAL(size_t{6}, letters.size());
    CPPUNIT_ASSERT_EQUAL(letters.front().connection, letters.back().connection);  // it rested all the while
    CPPUNIT_ASSERT_EQUAL(5, sink.connections());
  }

  void a_commit_counts_at_once() {
    Gate gate;
    Sink sink(gate.script());
    const auto limits = [&](int server, int binding) {
      return text(sink, fmt::format("Server_Max_Outbound_Connections = {}\n"
                                    "Binding b1 {{ Server_Max_Outbound_Connections = {} }}",
                                    server, binding));
    };
    House house(limits(100, 2));
    submit(house, "b1", 20);
    house.run_until([&] { return house.dispatcher->size() == 20; });
    house.dispatcher->start();
    const auto wait_for = [&](int connections) {
      house.run_until([&] { return open(house)["b1"] == connections; }, fmt::format("{} connections", connections));
    };
    wait_for(2);
    house.reconfigure(limits(100, 4));
    wait_for(4);
    house.reconfigure(limits(6, 100));
    wait_for(6);
    // Only what the global scope says changes: the Binding's own options are as they were.
    house.reconfigure(limits(7, 100));
    wait_for(7);
    house.run_until([&] { return sink.open() == 7; }, "all of them at the sink");
    gate.go.set_value();
    house.run_until_empty();
    CPPUNIT_ASSERT_EQUAL(7, sink.most_open());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(SlotsTest);

}  // namespace
}  // namespace impulse::delivery
