// Commands of the console that come as JSON: one request of ECTL/1 each, whatever
// they hold, and its reply as JSON.
#include "api/control_call.h"

#include <cppunit/extensions/HelperMacros.h>
#include <nlohmann/json.hpp>

using namespace impulse::api;
using namespace std::string_literals;
using Json = nlohmann::json;

namespace {

class ControlCallTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(ControlCallTest);
  CPPUNIT_TEST(requests);
  CPPUNIT_TEST(payloads);
  CPPUNIT_TEST(what_is_refused);
  CPPUNIT_TEST(lists);
  CPPUNIT_TEST(a_reply);
  CPPUNIT_TEST(in_any_pieces);
  CPPUNIT_TEST(denied);
  CPPUNIT_TEST(too_large);
  CPPUNIT_TEST_SUITE_END();

  static std::string request(const Json& json) {
    const auto read = read_control("application/json; charset=utf-8", json.dump());
    CPPUNIT_ASSERT_MESSAGE(json.dump(), read);
    CPPUNIT_ASSERT(!read->list && read->requests.size() == 1);
    CPPUNIT_ASSERT_EQUAL("command"s, control_field(*read, 0));
    return read->requests[0].bytes;
  }
  static Fault fault(const std::string& body, std::string_view type = "application/json") {
    const auto read = read_control(type, body);
    CPPUNIT_ASSERT_MESSAGE(body, !read);
    return read.error().fault;
  }
  static ControlReply reply(std::string_view text) {
    ControlReply made;
    made.feed(text);
    return made;
  }

  void requests() {
    CPPUNIT_ASSERT_EQUAL("summary\n"s, request({{"command", "summary"}}));
    CPPUNIT_ASSERT_EQUAL("--json config eval \"a b\"\n"s,
                         request({{"command", "config eval \"a b\""}, {"json", true}}));
    CPPUNIT_ASSERT_EQUAL("config set x y \"<<END\"\n"s, request({{"command", "config set x y \"<<END\""}}));
  }
  void payloads() {
    CPPUNIT_ASSERT_EQUAL("config load <<END\na = b\nEND\n"s,
                         request({{"command", "config load"}, {"payload", "a = b"}}));
    CPPUNIT_ASSERT_EQUAL("config load <<END\nEND\n"s, request({{"command", "config load"}, {"payload", ""}}));
    CPPUNIT_ASSERT_EQUAL("config load <<END_\nEND\r\nshutdown\nEND_\n"s,
                         request({{"command", "config load"}, {"payload", "END\r\nshutdown\n"}}));
  }
  void what_is_refused() {
    CPPUNIT_ASSERT(fault("{}") == Fault::missing);
    CPPUNIT_ASSERT(fault("{") == Fault::bad_json);
    CPPUNIT_ASSERT(fault("[]") == Fault::invalid);
    CPPUNIT_ASSERT(fault(R"({"command": 1})") == Fault::invalid);
    CPPUNIT_ASSERT(fault(R"({"command": "a", "command": "b"})") == Fault::bad_json);
    CPPUNIT_ASSERT(fault(R"({"command": "a", "tag": "b"})") == Fault::unsupported);
    CPPUNIT_ASSERT(fault(R"({"command": "a"})", "text/plain") == Fault::media_type);
    CPPUNIT_ASSERT(fault(R"({"command": "a"})", "") == Fault::media_type);  // a page elsewhere could send that
    for (const std::string& command : {""s, "  "s, "a\nshutdown"s, "a\rb"s, "a\0b"s, "a\x1b"s, "@tag a"s, " @tag a"s,
                                       "config load <<END"s, "config load <<"s, std::string(60'001, 'a')})
      CPPUNIT_ASSERT_MESSAGE(command, fault(Json{{"command", command}}.dump()) == Fault::invalid);
    CPPUNIT_ASSERT(fault(Json{{"command", "a"}, {"payload", "END" + std::string(100, '_')}}.dump()) ==
                   Fault::unsupported);
  }
  void lists() {
    const auto read = read_control("application/json", R"({"json": true, "commands": [
      "config set x y", {"command": "config set z", "payload": "END"}]})");
    CPPUNIT_ASSERT(read && read->list);
    CPPUNIT_ASSERT_EQUAL(size_t{2}, read->requests.size());
    CPPUNIT_ASSERT_EQUAL("--json config set x y\n"s, read->requests[0].bytes);
    CPPUNIT_ASSERT_EQUAL("config set z"s, read->requests[1].command);
    CPPUNIT_ASSERT_EQUAL("--json config set z <<END_\nEND\nEND_\n"s, read->requests[1].bytes);
    CPPUNIT_ASSERT_EQUAL("commands[1].command"s, control_field(*read, 1));
    const auto error = [](const std::string& body) {
      const auto wrong = read_control("application/json", body);
      CPPUNIT_ASSERT_MESSAGE(body, !wrong);
      return wrong.error();
    };
    CPPUNIT_ASSERT(error(R"({"commands": []})").fault == Fault::invalid);
    CPPUNIT_ASSERT(error(R"({"commands": "a"})").fault == Fault::invalid);
    CPPUNIT_ASSERT(error(R"({"commands": [[]]})").fault == Fault::invalid);
    CPPUNIT_ASSERT(error(R"({"commands": ["a"], "command": "b"})").fault == Fault::invalid);
    CPPUNIT_ASSERT(error(R"({"commands": ["a"], "payload": "b"})").fault == Fault::invalid);
    CPPUNIT_ASSERT(error(R"({"commands": [{"command": "a", "json": true}]})").fault == Fault::unsupported);
    CPPUNIT_ASSERT_EQUAL("commands[1].command"s, error(R"({"commands": ["a", "b\nc"]})").field);
    CPPUNIT_ASSERT(error(R"({"commands": ["a", {}]})").fault == Fault::missing);
    Json many = Json::array();
    for (size_t i = 0; i <= most_commands; ++i) many.push_back("a");
    CPPUNIT_ASSERT(error(Json{{"commands", many}}.dump()).fault == Fault::too_large);
  }
  void a_reply() {
    const ControlReply made = reply(
        "* ECTL/1 impulse/1 node=mx1\n one \"1\"\n\n * not a notice\r\n* a notice\n"
        "!warning config-x a.conf:1:2: look here\n \n=0 ok gen=12 note=\"a \\\"b\\\" = c\" @tag\n later\n");
    CPPUNIT_ASSERT(made.done());
    CPPUNIT_ASSERT_EQUAL(200, made.http_status());
    const auto body = Json::parse(made.body());
    CPPUNIT_ASSERT_EQUAL(0, body.at("code").get<int>());
    CPPUNIT_ASSERT_EQUAL("ok"s, body.at("word").get<std::string>());
    CPPUNIT_ASSERT(body.at("output") == Json::array({"one \"1\"", "* not a notice", ""}));
    CPPUNIT_ASSERT(body.at("fields") == (Json{{"gen", "12"}, {"note", "a \"b\" = c"}}));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, body.at("messages").size());
    CPPUNIT_ASSERT_EQUAL("warning"s, body.at("messages").at(0).at("severity").get<std::string>());
    CPPUNIT_ASSERT_EQUAL("config-x"s, body.at("messages").at(0).at("id").get<std::string>());
    CPPUNIT_ASSERT_EQUAL("a.conf:1:2: look here"s, body.at("messages").at(0).at("text").get<std::string>());
    CPPUNIT_ASSERT_EQUAL(4, Json::parse(reply("=4 conflict\n").body()).at("code").get<int>());
    CPPUNIT_ASSERT_EQUAL(200, reply("=4 conflict\n").http_status());
  }
  void in_any_pieces() {
    const std::string text = "* ECTL/1 x\n a\n!error e t\n=1 failed\n";
    ControlReply made;
    for (const char c : text) {
      CPPUNIT_ASSERT(!made.done());
      made.feed(std::string_view(&c, 1));
    }
    CPPUNIT_ASSERT(made.done());
    CPPUNIT_ASSERT_EQUAL(reply(text).body(), made.body());
  }
  void denied() {
    const ControlReply made = reply("!error denied nobody may\n=6 denied\n");
    CPPUNIT_ASSERT_EQUAL(403, made.http_status());
    CPPUNIT_ASSERT_EQUAL("nobody may"s,
                         Json::parse(made.body()).at("errors").at(0).at("description").get<std::string>());
  }
  void too_large() {
    ControlReply made;
    const std::string line = " " + std::string(60'000, 'x') + "\n";
    for (size_t size = 0; size <= ControlReply::largest; size += line.size()) made.feed(line);
    CPPUNIT_ASSERT(made.too_large() && !made.done());
    CPPUNIT_ASSERT_EQUAL(413, made.http_status());
    CPPUNIT_ASSERT(Json::parse(made.body()).contains("errors"));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(ControlCallTest);

}  // namespace
