// The message on the wire: dots, line ends, and that it ends once.
#include "smtp/data_encoder.h"

#include <cppunit/extensions/HelperMacros.h>

#include <random>

using namespace impulse::smtp;

namespace {

std::string encode(std::string_view body) {
  std::string out;
  DataEncoder encoder;
  encoder.add(body, out);
  encoder.finish(out);
  return out;
}

// What a strict server makes of the bytes: the message, if the end of data
// comes at the very end and no CR or LF stands alone.
std::string decode(std::string_view wire) {
  std::string message;
  while (true) {
    const size_t end = wire.find("\r\n");
    CPPUNIT_ASSERT(end != std::string_view::npos);
    std::string_view line = wire.substr(0, end);
    CPPUNIT_ASSERT(line.find_first_of("\r\n") == std::string_view::npos);
    wire.remove_prefix(end + 2);
    if (line == ".") {
      CPPUNIT_ASSERT(wire.empty());
      return message;
    }
    if (line.starts_with('.')) line.remove_prefix(1);
    message += line;
    message += "\r\n";
  }
}

}  // namespace

class DataEncoderTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(DataEncoderTest);
  CPPUNIT_TEST(ordinary_messages);
  CPPUNIT_TEST(dots);
  CPPUNIT_TEST(lone_line_ends);
  CPPUNIT_TEST(smuggling_attempts);
  CPPUNIT_TEST(parts_are_one_message);
  CPPUNIT_TEST(measures);
  CPPUNIT_TEST(random_bytes_in_random_parts);
  CPPUNIT_TEST_SUITE_END();

  void ordinary_messages() {
    CPPUNIT_ASSERT_EQUAL(std::string("a: b\r\n\r\nc\r\n.\r\n"), encode("a: b\r\n\r\nc\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string(".\r\n"), encode(""));
    CPPUNIT_ASSERT_EQUAL(std::string("no end\r\n.\r\n"), encode("no end"));
    CPPUNIT_ASSERT_EQUAL(std::string("\r\n.\r\n"), encode("\r\n"));
  }

  void dots() {
    CPPUNIT_ASSERT_EQUAL(std::string("..\r\n.\r\n"), encode(".\r\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("..\r\n.\r\n"), encode("."));
    CPPUNIT_ASSERT_EQUAL(std::string("....\r\na.\r\n..b\r\n.\r\n"), encode("...\r\na.\r\n.b\r\n"));
  }

  void lone_line_ends() {
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\nb\r\n.\r\n"), encode("a\nb\n"));
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\nb\r\n.\r\n"), encode("a\rb\r"));
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\n\r\nb\r\n.\r\n"), encode("a\r\r\nb"));
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\n\r\nb\r\n.\r\n"), encode("a\n\rb"));
    CPPUNIT_ASSERT_EQUAL(std::string("\r\n\r\n\r\n.\r\n"), encode("\n\r\r"));
  }

  void smuggling_attempts() {
    for (const std::string_view end :
         {"\r\n.\n", "\n.\r\n", "\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\n.\r", "\r\n\x00.\r\n"}) {
      const std::string wire = encode("a" + std::string(end) + "MAIL FROM:<x@y>\r\n");
      const std::string message = decode(wire);
      CPPUNIT_ASSERT(message.ends_with("MAIL FROM:<x@y>\r\n"));
    }
  }

  void parts_are_one_message() {
    std::string out;
    DataEncoder encoder;
    encoder.add("a\r", out);
    encoder.add("", out);
    encoder.add("\n.b", out);
    encoder.add(".c\r\n", out);
    encoder.add(".d\r", out);
    encoder.add("e\n", out);
    encoder.finish(out);
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\n..b.c\r\n..d\r\ne\r\n.\r\n"), out);
  }

  void measures() {
    const auto size = [](std::string_view trace, std::string_view body) { return measure(trace, body).size; };
    CPPUNIT_ASSERT_EQUAL(uint64_t{0}, size("", ""));
    CPPUNIT_ASSERT_EQUAL(uint64_t{6}, size("a\r\n", "b\r\n"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{6}, size("a\r", "\nb"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{6}, size("", "a\nb\n"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{6}, size("a\r", "b"));
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, size("", ".\r\n"));
    CPPUNIT_ASSERT(!measure("a", "b").eight_bit);
    CPPUNIT_ASSERT(measure("a", "\xC3\xA4").eight_bit);
    CPPUNIT_ASSERT(measure("\xff", "").eight_bit);
  }

  void random_bytes_in_random_parts() {
    std::mt19937 random(7);
    const std::string_view alphabet = "\r\n.ab\xe4";
    for (int round = 0; round < 20000; ++round) {
      std::string body(random() % 12, ' ');
      for (char& c : body) c = alphabet[random() % alphabet.size()];
      const size_t cut = body.empty() ? 0 : random() % body.size();
      std::string out;
      DataEncoder encoder;
      encoder.add(std::string_view(body).substr(0, cut), out);
      encoder.add(std::string_view(body).substr(cut), out);
      encoder.finish(out);
      CPPUNIT_ASSERT_EQUAL(encode(body), out);
      const std::string message = decode(out);
      const auto measured = measure(std::string_view(body).substr(0, cut), std::string_view(body).substr(cut));
      CPPUNIT_ASSERT_EQUAL(measured.size, static_cast<uint64_t>(message.size()));
      // Nothing but line ends was changed.
      const auto strip = [](std::string text) {
        std::erase_if(text, [](char c) { return c == '\r' || c == '\n'; });
        return text;
      };
      CPPUNIT_ASSERT_EQUAL(strip(body), strip(message));
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(DataEncoderTest);
