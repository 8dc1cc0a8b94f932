// Messages in files: nothing is lost on the way out and in again, what is wrong
// is told by its place, and nothing outside of the folder is touched.
#include "kit.h"
#include "spool/pair_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

using namespace impulse;
using namespace impulse::spool;

namespace {

Stored message() {
  Stored stored;
  stored.id = {0x65, 0x40};
  stored.node = "mx1";
  stored.trace = "Received: by mx1 id 00000065/00000040-mx1;\r\n";
  stored.body = std::string("Subject: x\r\n\r\n\x00\xFF.\r\nbare\nlines\r", 31) + kit::noise(1000, 3);
  message::Envelope& envelope = stored.envelope;
  envelope.sender = "\"a \\\" b\"@example.com";
  envelope.recipients = {{"a@example.net"},
                         {"b\u00e4@example.net", message::notify::success | message::notify::delay, "rfc822;a+2Bb@c"},
                         {"c@example.net", message::notify::never},
                         {"d@example.net"},
                         {"postmaster"}};
  envelope.body_type = message::BodyType::binary_mime;
  envelope.smtputf8 = true;
  envelope.ret = message::Ret::hdrs;
  envelope.require_tls = true;
  envelope.tls_optional = true;
  envelope.priority = -3;
  envelope.envid = "QQ+3D";
  envelope.auth = "<>";
  envelope.hold_until = WallTime(Duration(1900000000000001));
  envelope.deliver_by = {WallTime(Duration(1900000001000000)), 'R', true};
  envelope.received = WallTime(Duration(1700000000123456));
  envelope.client = IpAddress::parse("2001:db8::1").value();
  envelope.client_port = 65535;
  envelope.client_name = "client.example";
  envelope.client_helo = "h\xE9lo \"x\"\t\\";
  envelope.listener = "*:25";
  envelope.user = "blue/alice";
  envelope.tenant = "blue";
  envelope.binding = "b1";
  envelope.context = {{"b", "2"}, {"a", std::string("\x00\xFF", 2)}, {"", "\r\n"}};
  stored.states = {kit::outcome(State::delivered, 2),
                   {State::pending, 3, WallTime(Duration(1700000009000000)), "421 \u00e4 \"later\""},
                   {State::pending, 1, WallTime::max(), ""},
                   kit::outcome(State::expired, 9, "550 \xFF"),
                   {}};
  stored.states[1].binding = "b2";
  return stored;
}

class PairTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PairTest);
  CPPUNIT_TEST(nothing_is_lost);
  CPPUNIT_TEST(the_least_that_is_needed);
  CPPUNIT_TEST(places_of_faults);
  CPPUNIT_TEST(any_byte_changed);
  CPPUNIT_TEST(out_and_in_again);
  CPPUNIT_TEST(long_bodies_are_streamed);
  CPPUNIT_TEST(nothing_is_overwritten);
  CPPUNIT_TEST(what_is_no_folder_for_mail);
  CPPUNIT_TEST(links_are_not_followed);
  CPPUNIT_TEST(halves_and_changed_files);
  CPPUNIT_TEST(names_that_are_no_lines);
  CPPUNIT_TEST(retired_once);
  CPPUNIT_TEST(left_by_one_who_died);
  CPPUNIT_TEST_SUITE_END();

  kit::Folder scratch_;
  const std::string path_ = scratch_.path() + "/pairs";

  PairFolder open() {
    auto folder = PairFolder::open(path_, true);
    CPPUNIT_ASSERT_MESSAGE(folder ? "" : folder.error().message, folder.has_value());
    return std::move(*folder);
  }
  static Errc code_of(const Result<PairFolder>& folder) {
    CPPUNIT_ASSERT(!folder);
    return folder.error().code;
  }
  static Result<std::unique_ptr<message::BodySink>> no_stream() { return fail(Errc::io, "nothing is streamed"); }
  void put(const std::string& name, std::string_view text) const { std::ofstream(path_ + "/" + name) << text; }
  std::string get(const std::string& name) const {
    std::stringstream all;
    all << std::ifstream(path_ + "/" + name, std::ios::binary).rdbuf();
    return all.str();
  }
  std::string fault(PairFolder& folder, const std::string& name) const {
    const auto read = folder.read(name, UINT64_MAX / 2, no_stream);
    return read ? "" : read.error().place() + ": " + read.error().why.message;
  }
  static std::string fault(std::string_view text) {
    const auto read = read_pair(text);
    return read ? "" : fmt::format("{}:{}: {}", read.error().line, read.error().column, read.error().what);
  }

  void nothing_is_lost() {
    const Stored stored = message();
    const auto read = read_pair(write_pair(stored));
    CPPUNIT_ASSERT_EQUAL(std::string(), fault(write_pair(stored)));
    CPPUNIT_ASSERT(read->envelope == stored.envelope);
    CPPUNIT_ASSERT_EQUAL(stored.states.size(), read->states.size());
    for (size_t i = 0; i < stored.states.size(); ++i) CPPUNIT_ASSERT(read->states[i] == stored.states[i]);
    CPPUNIT_ASSERT_EQUAL(std::string("00000065/00000040-mx1"), read->id);
    CPPUNIT_ASSERT(read->old_id == stored.id);
    CPPUNIT_ASSERT_EQUAL(std::string("mx1"), read->node);
    CPPUNIT_ASSERT_EQUAL(stored.size(), read->size);
    CPPUNIT_ASSERT_EQUAL(uint64_t{stored.trace.size()}, read->trace_size);
    // Times that have no name, and no node.
    Stored odd = stored;
    odd.node = "";
    odd.envelope.received = WallTime(Duration(-5));
    odd.envelope.hold_until = WallTime(Duration(INT64_MAX - 1));
    const auto again = read_pair(write_pair(odd));
    CPPUNIT_ASSERT(again && again->envelope == odd.envelope && again->id == "00000065/00000040");
    // The default binding is said; where it is not, the configuration has its say.
    odd.envelope.binding = "";
    CPPUNIT_ASSERT_EQUAL(std::string("default"), read_pair(write_pair(odd))->envelope.binding);
  }

  void the_least_that_is_needed() {
    const auto read = read_pair(R"({"impulse_message":1,"id":"00000001/00000040","size":0,"sender":"",
      "recipients":[{"address":"a@b.example"}],"received":"2027-01-31T12:00:05.000000Z"})");
    CPPUNIT_ASSERT(read.has_value());
    CPPUNIT_ASSERT(read->states[0] == RecipientState{});
    CPPUNIT_ASSERT(!read->checksum);
    CPPUNIT_ASSERT_EQUAL(int64_t{1801396805}, read->envelope.received.time_since_epoch().count() / 1000000);
  }

  void places_of_faults() {
    const std::string good = write_pair(message());
    const auto with = [&](std::string_view what, std::string_view instead) {
      std::string text = good;
      const size_t at = text.find(what);
      CPPUNIT_ASSERT_MESSAGE(std::string(what), at != std::string::npos);
      text.replace(at, what.size(), instead);
      return fault(text);
    };
    CPPUNIT_ASSERT_EQUAL(std::string("1:1: the document ends too early"), fault(""));
    CPPUNIT_ASSERT_EQUAL(std::string("1:1: an object is expected"), fault("[]"));
    CPPUNIT_ASSERT_EQUAL(std::string("1:3: nothing more is expected"), fault("{}x"));
    CPPUNIT_ASSERT_EQUAL(std::string("2:22: this is not of version 1, which is all that is known here"),
                         with("\"impulse_message\": 1", "\"impulse_message\": 2"));
    CPPUNIT_ASSERT_EQUAL(std::string("3:3: \"ID\" is not known to this version"), with("\"id\"", "\"ID\""));
    CPPUNIT_ASSERT_EQUAL(std::string("9:17: an address is expected"), with("a@example.net", "a b@example.net"));
    CPPUNIT_ASSERT_EQUAL(std::string("7:13: an address is expected"), with("\"\\\"a ", "\"\\r\\nDATA\\\"a "));
    CPPUNIT_ASSERT(with("rfc822;a+2Bb@c", "rfc822;a b").ends_with("it has a blank or a control character"));
    CPPUNIT_ASSERT(with("\"never\"", "\"never\", \"delay\"").ends_with("\"never\" stands alone"));
    CPPUNIT_ASSERT(with("\"never\"", "\"seldom\"").ends_with("one of never success failure delay is expected"));
    CPPUNIT_ASSERT(with("\"priority\": -3", "\"priority\": 10").ends_with("a whole number from -9 to 9 is expected"));
    CPPUNIT_ASSERT(with("\"priority\": -3", "\"priority\": -3.5").ends_with("a whole number is expected"));
    CPPUNIT_ASSERT(with("2023-11-14T22", "2023-02-30T22").contains("a time such as"));
    CPPUNIT_ASSERT(with("\"blue\"", "\"bl/ue\"").ends_with("the name of a tenant is expected"));
    CPPUNIT_ASSERT(with("\"binding\": \"b1\"", "\"binding\": \"b%1\"").ends_with("the name of a binding is expected"));
    CPPUNIT_ASSERT(with("\"binding\": \"b2\"", "\"binding\": \"\"").ends_with("the name of a binding is expected"));
    CPPUNIT_ASSERT(with("\"name\": \"b\"", "\"name\": \"a\"").ends_with("that name is there twice"));
    CPPUNIT_ASSERT(with("\"sender\"", "\"size\"").ends_with("\"size\" is there twice"));
    CPPUNIT_ASSERT(with("{\"hex\": \"68", "{\"hex\": \"6").contains("hexadecimal"));
    CPPUNIT_ASSERT(with("\"smtputf8\": true", "\"smtputf8\": \"\\ud800\"").ends_with("half of a surrogate pair"));
    CPPUNIT_ASSERT(with("\"smtputf8\": true", "\"smtputf8\": \"\xC3\"").ends_with("this is no UTF-8"));
    Stored over = message();
    for (RecipientState& state : over.states) state.state = State::failed;
    CPPUNIT_ASSERT(fault(write_pair(over)).ends_with("none of the recipients is pending"));
    CPPUNIT_ASSERT(fault(std::string(100, '[')).ends_with("too many levels"));
  }

  // Whatever becomes of it, it is read as something, or refused at a place that is there.
  void any_byte_changed() {
    const std::string good = write_pair(message());
    for (size_t at = 0; at < good.size(); ++at) {
      for (const char c : {'\0', '"', '{', '0', '\xFF', ' '}) {
        std::string text = good;
        text[at] = c;
        const auto read = read_pair(text);
        if (!read) CPPUNIT_ASSERT(read.error().line <= static_cast<size_t>(std::ranges::count(text, '\n')) + 1);
      }
      if (at + 1 < good.size()) CPPUNIT_ASSERT(!read_pair(good.substr(0, at)));
    }
  }

  void out_and_in_again() {
    PairFolder folder = open();
    const Stored stored = message();
    CPPUNIT_ASSERT(folder.write(stored).value());
    CPPUNIT_ASSERT(folder.sync());
    CPPUNIT_ASSERT(folder.has(stored.id, "mx1") && !folder.has(stored.id, "mx2"));
    CPPUNIT_ASSERT(folder.names().value() == std::vector<std::string>{"00000065-00000040-mx1"});
    struct stat status{};
    CPPUNIT_ASSERT(::stat((path_ + "/00000065-00000040-mx1.eml").c_str(), &status) == 0);
    CPPUNIT_ASSERT_EQUAL(0600U, static_cast<unsigned>(status.st_mode & 0777));
    CPPUNIT_ASSERT_EQUAL(stored.trace + stored.body, get("00000065-00000040-mx1.eml"));
    const auto pair = folder.read("00000065-00000040-mx1", UINT64_MAX / 2, no_stream);
    CPPUNIT_ASSERT(pair.has_value());
    CPPUNIT_ASSERT(pair->incoming.envelope == stored.envelope);
    CPPUNIT_ASSERT_EQUAL(stored.trace, pair->incoming.trace);
    CPPUNIT_ASSERT_EQUAL(stored.body, pair->incoming.body.to_string());
  }

  void long_bodies_are_streamed() {
    struct Kept final : message::BodySink {
      explicit Kept(std::string& to_in) : to(to_in) {}
      Result<> append(std::string_view bytes) override {
        to += bytes;
        return {};
      }
      uint64_t size() const override { return to.size(); }
      std::string& to;
    };
    PairFolder folder = open();
    Stored stored = message();
    stored.body = kit::noise(1 << 20, 5);
    CPPUNIT_ASSERT(folder.write(stored));
    for (const uint64_t in_memory : {uint64_t{0}, uint64_t{1}, uint64_t{300000}, uint64_t{1} << 20}) {
      std::string rest;
      const auto pair =
          folder.read("00000065-00000040-mx1", in_memory,
                      [&]() -> Result<std::unique_ptr<message::BodySink>> { return std::make_unique<Kept>(rest); });
      CPPUNIT_ASSERT(pair.has_value());
      CPPUNIT_ASSERT_EQUAL(stored.body.substr(0, in_memory), pair->incoming.body.to_string());
      CPPUNIT_ASSERT_EQUAL(stored.body.substr(in_memory), rest);
    }
    CPPUNIT_ASSERT(!folder.read("00000065-00000040-mx1", 0, no_stream));
  }

  void nothing_is_overwritten() {
    PairFolder folder = open();
    Stored stored = message();
    CPPUNIT_ASSERT(folder.write(stored).value());
    CPPUNIT_ASSERT(!folder.write(stored).value());  // the same
    const std::string text = get("00000065-00000040-mx1.eml");
    const std::string document = get("00000065-00000040-mx1.json");
    stored.states[1].attempts = 4;
    CPPUNIT_ASSERT(folder.write(stored).error().code == Errc::exists);
    stored = message();
    stored.body += "x";
    CPPUNIT_ASSERT(folder.write(stored).error().code == Errc::exists);
    CPPUNIT_ASSERT_EQUAL(text, get("00000065-00000040-mx1.eml"));
    CPPUNIT_ASSERT_EQUAL(document, get("00000065-00000040-mx1.json"));
  }

  void what_is_no_folder_for_mail() {
    CPPUNIT_ASSERT(code_of(PairFolder::open("relative", false)) == Errc::invalid);
    CPPUNIT_ASSERT(code_of(PairFolder::open("/", false)) == Errc::invalid);
    CPPUNIT_ASSERT(code_of(PairFolder::open(path_, false)) == Errc::not_found);
    CPPUNIT_ASSERT(code_of(PairFolder::open(path_ + "/deeper", true)) == Errc::not_found);
    {
      PairFolder first = open();
      CPPUNIT_ASSERT(code_of(PairFolder::open(path_ + "//", false)) == Errc::busy);
    }
    CPPUNIT_ASSERT(PairFolder::open(path_ + "//", false).has_value());
    ::symlink(path_.c_str(), (scratch_.path() + "/link").c_str());
    CPPUNIT_ASSERT(code_of(PairFolder::open(scratch_.path() + "/link", true)) == Errc::invalid);
    CPPUNIT_ASSERT(code_of(PairFolder::open(scratch_.path() + "/link/", true)) == Errc::invalid);
    ::chmod(path_.c_str(), 01777);
    CPPUNIT_ASSERT(code_of(PairFolder::open(path_, true)) == Errc::denied);
    ::chmod(path_.c_str(), 0770);
    CPPUNIT_ASSERT(PairFolder::open(path_, true).has_value());
    put("00000001.seg", "");
    CPPUNIT_ASSERT(code_of(PairFolder::open(path_, true)) == Errc::invalid);
  }

  void links_are_not_followed() {
    PairFolder folder = open();
    const std::string outside = scratch_.path() + "/outside";
    std::ofstream(outside) << "precious";
    const std::string name = path_ + "/00000065-00000040-mx1";
    for (const std::string& file : {name + ".eml", name + ".json"}) {
      CPPUNIT_ASSERT(::symlink(outside.c_str(), file.c_str()) == 0);
      CPPUNIT_ASSERT(folder.write(message()).error().code == Errc::exists);
      CPPUNIT_ASSERT(fault(folder, "00000065-00000040-mx1") != "");
      ::unlink(file.c_str());
    }
    ::unlink((name + ".eml").c_str());
    CPPUNIT_ASSERT(::symlink(outside.c_str(), (path_ + "/.00000065-00000040-mx1.eml.tmp").c_str()) == 0);
    CPPUNIT_ASSERT(folder.write(message()).value());
    CPPUNIT_ASSERT(::symlink(scratch_.path().c_str(), (path_ + "/done").c_str()) == 0);
    CPPUNIT_ASSERT(folder.make_done().error().code == Errc::invalid);
    CPPUNIT_ASSERT(::symlink(outside.c_str(), (path_ + "/import.token").c_str()) == 0);
    CPPUNIT_ASSERT(!folder.token());
    std::string text;
    std::ifstream(outside) >> text;
    CPPUNIT_ASSERT_EQUAL(std::string("precious"), text);
  }

  void halves_and_changed_files() {
    PairFolder folder = open();
    CPPUNIT_ASSERT(folder.write(message()));
    const std::string name = "00000065-00000040-mx1";
    const std::string text = get(name + ".eml");
    const std::string document = get(name + ".json");
    put(name + ".eml", text + "x");
    CPPUNIT_ASSERT(fault(folder, name).starts_with(name + ".eml: not the "));
    put(name + ".eml", text.substr(1));
    CPPUNIT_ASSERT(fault(folder, name).starts_with(name + ".eml: not the "));
    put(name + ".eml", "X" + text.substr(1));
    CPPUNIT_ASSERT(fault(folder, name).starts_with(name + ".eml: its checksum is "));
    ::unlink((path_ + "/" + name + ".eml").c_str());
    CPPUNIT_ASSERT(fault(folder, name).starts_with(name + ".json: " + name + ".eml is missing"));
    put("alone.eml", "Subject: x\r\n\r\n");
    CPPUNIT_ASSERT(fault(folder, "alone").starts_with("alone.eml: alone.json is missing"));
    ::mkdir((path_ + "/odd.json").c_str(), 0700);
    CPPUNIT_ASSERT(fault(folder, "odd").starts_with("odd.json: "));
    ::mkfifo((path_ + "/fifo.json").c_str(), 0600);
    CPPUNIT_ASSERT(fault(folder, "fifo").starts_with("fifo.json: "));
    put("bad.json", "{\n  \"impulse_message\": 1,\n  \"id\": 5\n}");
    put("bad.eml", "");
    CPPUNIT_ASSERT(fault(folder, "bad").starts_with("bad.json:3:9: "));
  }

  // A receipt has the names of its batch, and after a crash retires what they name.
  void names_that_are_no_lines() {
    auto folder = open();
    for (const std::string name : {"one\ntwo", "tab\t", "\x7F"}) {
      put(name + ".eml", "Subject: x\r\n\r\n");
      put(name + ".json", "{}");
      CPPUNIT_ASSERT(fault(folder, name).ends_with(": a name with control characters"));
    }
  }

  void retired_once() {
    PairFolder folder = open();
    const std::string name = "00000065-00000040-mx1";
    CPPUNIT_ASSERT(folder.write(message()));
    CPPUNIT_ASSERT(!folder.retired(name));
    for (int again = 0; again < 2; ++again) CPPUNIT_ASSERT(folder.retire(name));
    CPPUNIT_ASSERT(folder.sync_done());
    CPPUNIT_ASSERT(folder.retired(name));
    CPPUNIT_ASSERT(folder.names()->empty());
    CPPUNIT_ASSERT(get("done/" + name + ".eml") == message().trace + message().body);
    // Half of it was moved when somebody died.
    ::rename((path_ + "/done/" + name + ".eml").c_str(), (path_ + "/" + name + ".eml").c_str());
    CPPUNIT_ASSERT(folder.retired(name));
    CPPUNIT_ASSERT(folder.retire(name));
    CPPUNIT_ASSERT(folder.names()->empty());
    CPPUNIT_ASSERT(folder.write(message()));
    CPPUNIT_ASSERT(folder.retire(name).error().code == Errc::exists);
    const std::string token = folder.token().value();
    CPPUNIT_ASSERT_EQUAL(token, folder.token().value());
    put("import.token", "nonsense");
    CPPUNIT_ASSERT(!folder.token());
  }

  void left_by_one_who_died() {
    PairFolder folder = open();
    const std::string name = "00000065-00000040-mx1";
    put("." + name + ".eml.tmp", "half of");
    put(name + ".eml", message().trace + message().body);
    CPPUNIT_ASSERT(folder.write(message()).value());
    put("." + name + ".json.tmp", "{");
    CPPUNIT_ASSERT(folder.names().value() == std::vector{name});
    CPPUNIT_ASSERT_EQUAL(std::string(), fault(folder, name));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(PairTest);

}  // namespace
