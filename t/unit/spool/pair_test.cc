// The document beside a message in a file: nothing is lost on the way out and in
// again, what is wrong is told by its place, and a hostile one costs little.
#include "message/limits.h"
#include "pair_kit.h"
#include "spool/limits.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

using namespace impulse;
using namespace impulse::spool;

namespace {

class PairTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PairTest);
  CPPUNIT_TEST(nothing_is_lost);
  CPPUNIT_TEST(the_least_that_is_needed);
  CPPUNIT_TEST(places_of_faults);
  CPPUNIT_TEST(bounds_of_headers_and_context);
  CPPUNIT_TEST(any_byte_changed);
  CPPUNIT_TEST(times_beyond_all);
  CPPUNIT_TEST(the_longest_recipient);
  CPPUNIT_TEST(hostile_documents);
  CPPUNIT_TEST(cut_anywhere);
  CPPUNIT_TEST_SUITE_END();

  static std::string fault(std::string_view text) {
    const auto read = read_pair(text);
    return read ? "" : fmt::format("{}:{}: {}", read.error().line, read.error().column, read.error().what);
  }

  // An address, an ORCPT, an error text and a binding that take as many bytes as they can.
  static void lengthen(message::Recipient& recipient, RecipientState& state) {
    std::string quoted;
    for (int i = 0; i < 31; ++i) quoted += "\\\"";
    recipient.address = '"' + quoted + "\"@" + std::string(60, 'x') + "." + std::string(60, 'y') + "." +
                        std::string(58, 'z') + ".example";
    recipient.notify = message::notify::success | message::notify::failure | message::notify::delay;
    recipient.orcpt = "x;" + std::string(498, '"');
    state = {State::pending, UINT32_MAX, WallTime(Duration(1900000000000001)), std::string(max_error_text, '\xFF')};
    state.binding = std::string(max_binding_name, '"');
  }

  void nothing_is_lost() {
    const Stored stored = kit::pair_message();
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
    // No node.
    Stored odd = stored;
    odd.node = "";
    CPPUNIT_ASSERT_EQUAL(std::string("00000065/00000040"), read_pair(write_pair(odd))->id);
    // What a log would not want comes back as blanks.
    odd.states[1].last_error =
        "421 a\tb\x7F"
        "c\r\nd";
    CPPUNIT_ASSERT_EQUAL(std::string("421 a b c  d"), read_pair(write_pair(odd))->states[1].last_error);
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
    const std::string good = write_pair(kit::pair_message());
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
    Stored over = kit::pair_message();
    for (RecipientState& state : over.states) state.state = State::failed;
    CPPUNIT_ASSERT(fault(write_pair(over)).ends_with("none of the recipients is pending"));
    CPPUNIT_ASSERT(fault(std::string(100, '[')).ends_with("too many levels"));
  }

  // What the doors and the logs give comes back; each line of the logs would have more.
  void bounds_of_headers_and_context() {
    using Pairs = std::vector<std::pair<std::string, std::string>>;
    const auto said = [](const Pairs& headers, const Pairs& context) {
      Stored stored = kit::pair_message();
      stored.envelope.headers = headers;
      stored.envelope.context = context;
      return fault(write_pair(stored));
    };
    const auto context = [](size_t count, size_t bytes) {
      Pairs pairs;
      for (size_t i = 0; i < count; ++i) pairs.emplace_back(fmt::format("{:07}", i), std::string(bytes, 'x'));
      return pairs;
    };
    const std::string large(message::most_chosen_header_bytes / 4 - 1, 'x');
    CPPUNIT_ASSERT_EQUAL(std::string(), said(Pairs(message::most_chosen_headers, {"a", "b"}), context(1000, 1)));
    CPPUNIT_ASSERT_EQUAL(std::string(), said(Pairs(4, {"a", large}), context(100, 5000)));
    CPPUNIT_ASSERT(said(Pairs(message::most_chosen_headers + 1, {"a", "b"}), {}).ends_with("more than 100 of these"));
    CPPUNIT_ASSERT(said(Pairs(5, {"a", large}), {}).ends_with("more than 16384 bytes of these"));
    CPPUNIT_ASSERT(said({}, context(1001, 1)).ends_with("more than 1000 of these"));
    CPPUNIT_ASSERT(said({}, context(106, 5000)).ends_with("more than 524288 bytes of these"));
  }

  // Whatever becomes of it, it is read as something, or refused at a place that is there.
  void any_byte_changed() {
    const std::string good = write_pair(kit::pair_message());
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

  void times_beyond_all() {
    Stored stored = kit::pair_message();
    stored.envelope.deliver_by.deadline = WallTime(Duration(1900000001000000));
    const std::string good = write_pair(stored);
    const std::pair<const char*, const char*> fields[] = {{"received", "\"2023-11-14T22:13:20.123456Z\""},
                                                          {"hold_until", "\"2030-03-17T17:46:40.000001Z\""},
                                                          {"deadline", "\"2030-03-17T17:46:41.000000Z\""},
                                                          {"next_attempt", "\"2023-11-14T22:13:29.000000Z\""}};
    for (const auto& [name, value] : fields) {
      const std::string member = fmt::format("\"{}\": {}", name, value);
      CPPUNIT_ASSERT_MESSAGE(member, good.contains(member));
      const auto with = [&](std::string_view instead) {
        std::string text = good;
        text.replace(text.find(member), member.size(), fmt::format("\"{}\": {}", name, instead));
        return fault(text);
      };
      for (const std::string_view bad : {"-1",
                                         "-9223372036854775808",
                                         "253402300800000000",
                                         "9223372036854775807",
                                         "9223372036854775808",
                                         "18446744073709551616",
                                         "1.5",
                                         "1e9",
                                         "-0.5",
                                         "\"\"",
                                         "null",
                                         "true",
                                         "[]",
                                         "\"1969-12-31T23:59:59.999999Z\"",
                                         "\"10000-01-01T00:00:00.000000Z\"",
                                         "\"2027-02-29T00:00:00.000000Z\"",
                                         "\"2027-01-01T24:00:00.000000Z\"",
                                         "\"2027-01-01T00:00:60.000000Z\"",
                                         "\"-027-01-01T00:00:00.000000Z\"",
                                         "\"2027-01-01T00:00:00Z\"",
                                         "\"2027-01-01T00:00:00.000000+00:00\""}) {
        const std::string said = with(bad);
        CPPUNIT_ASSERT_MESSAGE(fmt::format("{} {}: {}", name, bad, said),
                               said.contains(fmt::format(": \"{}\": ", name)));
      }
      for (const std::string_view bad : {"NaN", "Infinity", "-Infinity", "+1", "01"})
        CPPUNIT_ASSERT_MESSAGE(fmt::format("{} {}", name, bad), with(bad) != "");
      for (const std::string_view fine :
           {"0", "253402300799999999", "\"1970-01-01T00:00:00.000000Z\"", "\"9999-12-31T23:59:59.999999Z\""})
        CPPUNIT_ASSERT_EQUAL_MESSAGE(name, std::string(), with(fine));
    }
    // The nearest that has a name is written.
    stored.envelope.received = WallTime(Duration(-5));
    stored.envelope.hold_until = WallTime::max();
    stored.envelope.deliver_by.deadline = WallTime(Duration(253402300800000000));
    stored.states[1].next_attempt = WallTime::min();
    const auto read = read_pair(write_pair(stored));
    CPPUNIT_ASSERT(read.has_value());
    const WallTime last(Duration(253402300799999999));
    CPPUNIT_ASSERT(read->envelope.received == WallTime{});
    CPPUNIT_ASSERT(read->envelope.hold_until == last && read->envelope.deliver_by.deadline == last);
    CPPUNIT_ASSERT(read->states[1].next_attempt == WallTime{});
  }

  // … and with all of them as ill as they can be it is not too large.
  void the_longest_recipient() {
    Stored stored = kit::pair_message();
    stored.envelope.recipients.assign(1, {"a@b.example"});
    stored.states.assign(1, {});
    const size_t one = write_pair(stored).size();
    lengthen(stored.envelope.recipients[0], stored.states[0]);
    stored.states[0].binding.clear();
    CPPUNIT_ASSERT_EQUAL(std::string(), fault(write_pair(stored)));
    std::string entry;
    encode_entry({stored.id, 0, stored.states[0]}, entry);
    CPPUNIT_ASSERT_EQUAL(most_state_size - max_binding_name, entry.size());
    stored.envelope.recipients.resize(11, stored.envelope.recipients[0]);
    stored.states.resize(11, stored.states[0]);
    lengthen(stored.envelope.recipients[0], stored.states[0]);
    const size_t each = (write_pair(stored).size() - one) / 10 + 2 * max_binding_name;
    CPPUNIT_ASSERT(each <= 3000);
    CPPUNIT_ASSERT(each * message::most_recipients + 6 * json_most.text / 2 <= max_document);
  }

  // What is in memory of them is counted: none gets beyond a limit.
  void hostile_documents() {
    const auto document = [](std::string_view open, std::string_view each, std::string_view close) {
      uint64_t size = 0;
      std::string piece;
      int at = 0;
      const auto read = read_pair([&]() -> std::string_view {
        if (++at == 1) return piece = fmt::format("{{\"impulse_message\": 1, {}", open);
        piece.clear();
        if (size > max_document) return at = 1000000000, close;
        while (piece.size() < 65536) piece += each;
        size += piece.size();
        return piece;
      });
      CPPUNIT_ASSERT(!read);
      return std::pair(read.error().what, size);
    };
    const auto expect = [&](std::string_view what, uint64_t most, std::string_view open, std::string_view each) {
      const auto [said, size] = document(open, each, "");
      CPPUNIT_ASSERT_EQUAL(std::string(what), said);
      CPPUNIT_ASSERT_MESSAGE(fmt::format("{}: {} bytes were read", open, size), size <= most + 65536 * 2);
    };
    expect("more than 100000 values", 400000, "\"context\": [1", ",1 ");
    expect("more than 100000 values", 400000, "\"context\": [[]", ",{}");
    expect("more than 100000 recipients", 4000000, "\"recipients\": [{\"address\": \"a@b.example\"}",
           ",{\"address\": \"a@b.example\"}");
    expect("an object is expected", 65536, "\"recipients\": [1", ",1");
    expect("more than 64 values", 65536, "\"recipients\": [{\"notify\": [1", ",1");
    expect("more than 8192 bytes of text", 65536, "\"recipients\": [{\"address\": \"", "x");
    expect("more than 8192 bytes of text", 65536, "\"recipients\": [{\"address\": \"", "\xC3\xA4");
    expect("more than 16777216 bytes of text", 17 << 20, "\"helo\": \"", "\xF0\x9F\x98\x80");
    expect("more than 16777216 bytes of text", 17 << 20, "\"", "x");
    expect("too many levels", 65536, "\"helo\": ", "[");
    expect("too many levels", 65536, "\"helo\": ", "{\"x\":");
    expect("\"helo\": the number is too large", 65536, "\"helo\": ", "9");
    std::string names = "{";
    for (int i = 0; i < 65; ++i) names += fmt::format("{}\"n{}\": 1", i == 0 ? "" : ",", i);
    CPPUNIT_ASSERT(fault(names + "}").ends_with("more than 64 names"));
    CPPUNIT_ASSERT(fault("{\"recipients\": 5}").contains("impulse_message"));
    CPPUNIT_ASSERT(fault("{\"impulse_message\": 1, \"recipients\": []").ends_with("a comma or '}' is expected"));
    CPPUNIT_ASSERT(fault("{\"recipients\": [], \"recipients\": []}").ends_with("is there twice"));
  }

  // Wherever its pieces end, the same is read.
  void cut_anywhere() {
    const std::string text = write_pair(kit::pair_message());
    for (const size_t size : {1, 2, 3, 7}) {
      size_t at = 0;
      const auto read = read_pair([&]() -> std::string_view {
        const auto piece = std::string_view(text).substr(at, size);
        at += piece.size();
        return piece;
      });
      CPPUNIT_ASSERT(read && read->envelope == kit::pair_message().envelope &&
                     read->states == kit::pair_message().states);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(PairTest);

}  // namespace
