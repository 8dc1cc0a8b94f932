// Where ec_inject's messages come from: mbox files in all their dialects, Maildirs, files, and made ones.
#include "console/inject/source.h"
#include "console/inject/maildir.h"
#include "console/inject/mbox.h"

#include <cppunit/extensions/HelperMacros.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace impulse::ecinject {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

class SourceTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(SourceTest);
  CPPUNIT_TEST(mbox_splits);
  CPPUNIT_TEST(mbox_of_crlf);
  CPPUNIT_TEST(mbox_from_in_the_text);
  CPPUNIT_TEST(mbox_content_length);
  CPPUNIT_TEST(mbox_wrong_content_length);
  CPPUNIT_TEST(no_mbox);
  CPPUNIT_TEST(mbox_quoting);
  CPPUNIT_TEST(line_ends);
  CPPUNIT_TEST(dots);
  CPPUNIT_TEST(maildir_in_order);
  CPPUNIT_TEST(no_maildir);
  CPPUNIT_TEST(stored_messages_in_turn);
  CPPUNIT_TEST(no_messages);
  CPPUNIT_TEST(not_utf8);
  CPPUNIT_TEST(generated_sizes);
  CPPUNIT_TEST(generated_again);
  CPPUNIT_TEST_SUITE_END();

  fs::path folder_;

 public:
  void setUp() override {
    std::string name = (fs::temp_directory_path() / "inject-XXXXXX").string();
    CPPUNIT_ASSERT(::mkdtemp(name.data()) != nullptr);
    folder_ = name;
  }
  void tearDown() override { fs::remove_all(folder_); }

 private:
  std::string write(const std::string& name, std::string_view text) {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path.string();
  }

  static EnvelopeRules rules() {
    EnvelopeRules rules;
    CPPUNIT_ASSERT(parse_domains("d.example", rules.naming));
    rules.sender = AddressPattern::parse("s{message}@{domain}").value();
    rules.recipient = AddressPattern::parse("r{random}@{domain}").value();
    rules.seed = 5;
    return rules;
  }

  static Texts pieces(std::string_view file, Quoting quoting = Quoting::mboxrd) {
    const auto found = split_mbox(file, quoting);
    CPPUNIT_ASSERT_MESSAGE(found ? "" : found.error().message, found);
    Texts texts;
    for (const Piece& piece : *found) texts.emplace_back(file.substr(piece.from, piece.size));
    return texts;
  }

  static std::string text_of(const Mail& mail) {
    std::string text;
    mail.append_to(text);
    CPPUNIT_ASSERT_EQUAL(mail.size(), text.size());
    return text;
  }

  void mbox_splits() {
    CPPUNIT_ASSERT((Texts{"A: 1\n\none\n", "B: 2\n\ntwo\n\n"}) ==
                   pieces("From a Mon\nA: 1\n\none\n\nFrom b Tue\nB: 2\n\ntwo\n\n\n"));
    CPPUNIT_ASSERT((Texts{"A: 1\n\none"}) == pieces("From a\nA: 1\n\none"));
    CPPUNIT_ASSERT((Texts{"A: 1\n"}) == pieces("\n\nFrom a\nA: 1\n"));
  }
  void mbox_of_crlf() {
    CPPUNIT_ASSERT((Texts{"A: 1\r\n\r\none\r\n", "B: 2\r\n"}) ==
                   pieces("From a\r\nA: 1\r\n\r\none\r\n\r\nFrom b\r\nB: 2\r\n"));
  }
  void mbox_from_in_the_text() {
    // Behind a line that is not empty it is text; lower case always is.
    CPPUNIT_ASSERT_EQUAL(size_t{1}, pieces("From a\nA: 1\n\none\nFrom here on\n\nfrom x\n").size());
  }
  void mbox_content_length() {
    const std::string body = "one\n\nFrom the text\nmore\n";
    const std::string file =
        "From a\nContent-Length: " + std::to_string(body.size()) + "\n\n" + body + "\nFrom b\nB: 2\n";
    CPPUNIT_ASSERT_EQUAL(size_t{2}, pieces(file, Quoting::none).size());
    CPPUNIT_ASSERT(pieces(file, Quoting::none).front().ends_with("\n\n" + body));
    CPPUNIT_ASSERT_EQUAL(size_t{3}, pieces(file).size());  // the others do not look at it
  }
  void mbox_wrong_content_length() {
    for (const char* length : {"3", "5000", "99999999999999999999", "x"})
      CPPUNIT_ASSERT_EQUAL(
          size_t{2},
          pieces("From a\nContent-Length: " + std::string(length) + "\n\none two\n\nFrom b\nB: 2\n", Quoting::none)
              .size());
  }
  void no_mbox() {
    for (const char* bad : {"", "\n\n", "A: 1\n\none\n", "from a\nA: 1\n", "From a\n", "From a\n\n",
                            "From a\nA: 1\n\nFrom b\n\nFrom c\nC: 3\n"})
      CPPUNIT_ASSERT_MESSAGE(bad, !split_mbox(bad, Quoting::mboxrd));
  }
  void mbox_quoting() {
    const std::string text = ">From a\n>>From b\n> From c\n>Fromage\nFrom d\n";
    CPPUNIT_ASSERT_EQUAL(std::string("From a\r\n>From b\r\n> From c\r\n>Fromage\r\nFrom d\r\n"),
                         unquoted(text, Quoting::mboxrd));
    CPPUNIT_ASSERT_EQUAL(std::string("From a\r\n>>From b\r\n> From c\r\n>Fromage\r\nFrom d\r\n"),
                         unquoted(text, Quoting::mboxo));
    CPPUNIT_ASSERT_EQUAL(std::string(">From a\r\n>>From b\r\n> From c\r\n>Fromage\r\nFrom d\r\n"),
                         unquoted(text, Quoting::none));
    CPPUNIT_ASSERT(!parse_quoting("mbox"));
  }
  void line_ends() {
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\nb\r\nc\r\n\r\nd\r\n"), unquoted("a\nb\r\nc\r\rd", Quoting::none));
    CPPUNIT_ASSERT_EQUAL(std::string("a\r\n"), unquoted("a\n", Quoting::none));
  }
  void dots() {
    StoredSource::Places places;
    places.files = {write("a", ".\n..\nx\n.y\n\n.")};
    const auto source = StoredSource::open(rules(), places, "");
    CPPUNIT_ASSERT(source);
    Mail mail;
    CPPUNIT_ASSERT((*source)->fill(0, 1, mail));
    std::string out;
    mail.append_dotted(out);
    CPPUNIT_ASSERT_EQUAL(std::string("..\r\n...\r\nx\r\n..y\r\n\r\n..\r\n.\r\n"), out);
  }

  void maildir_in_order() {
    for (const char* name : {"md/cur/2.b:2,S", "md/new/1.a", "md/new/3.c", "md/tmp/0.x", "md/new/.hidden"})
      write(name, "x\n");
    fs::create_directories(folder_ / "md/new/sub");
    const auto list = list_maildir((folder_ / "md").string());
    CPPUNIT_ASSERT(list);
    Texts names;
    for (const std::string& path : *list) names.push_back(fs::path(path).filename().string());
    CPPUNIT_ASSERT((Texts{"1.a", "2.b:2,S", "3.c"}) == names);
  }
  void no_maildir() {
    CPPUNIT_ASSERT(!list_maildir((folder_ / "none").string()));
    fs::create_directories(folder_ / "half/new");
    CPPUNIT_ASSERT(!list_maildir((folder_ / "half").string()));
    fs::create_directories(folder_ / "half/cur");
    CPPUNIT_ASSERT(!list_maildir((folder_ / "half").string()));  // nothing in it
  }

  void stored_messages_in_turn() {
    StoredSource::Places places;
    places.files = {write("a", "A: 1\n\n\xC3\xA9\n")};
    places.mboxes = {write("b", "From x\nB: 2\n\n>From y\n\nFrom x\nC: 3\n\nz\n")};
    const auto source = StoredSource::open(rules(), places, "");
    CPPUNIT_ASSERT(source);
    CPPUNIT_ASSERT_EQUAL(uint64_t{3}, (*source)->count());
    const Texts expected{"A: 1\r\n\r\n\xC3\xA9\r\n", "B: 2\r\n\r\nFrom y\r\n", "C: 3\r\n\r\nz\r\n"};
    Mail mail;
    for (uint64_t i = 0; i < 6; ++i) {
      CPPUNIT_ASSERT((*source)->fill(i, 1, mail));
      CPPUNIT_ASSERT_EQUAL(expected[i % 3], text_of(mail));
      CPPUNIT_ASSERT_EQUAL(i % 3 == 0, mail.eight_bit());
      CPPUNIT_ASSERT_EQUAL("s" + std::to_string(i + 1) + "@d.example", mail.sender);
    }
  }
  void no_messages() {
    const auto status = [&](StoredSource::Places places) {
      const auto source = StoredSource::open(rules(), places, "");
      return source ? 0 : source.error().status;
    };
    StoredSource::Places missing;
    missing.files = {write("good", "A: 1\n"), (folder_ / "none").string()};
    CPPUNIT_ASSERT_EQUAL(EX_NOINPUT, status(missing));
    StoredSource::Places empty;
    empty.files = {write("empty", "")};
    CPPUNIT_ASSERT_EQUAL(EX_NOINPUT, status(empty));
    StoredSource::Places folder;
    folder.files = {folder_.string()};
    CPPUNIT_ASSERT_EQUAL(EX_NOINPUT, status(folder));
    StoredSource::Places broken;
    broken.mboxes = {write("broken", "no mbox\n")};
    CPPUNIT_ASSERT_EQUAL(EX_NOINPUT, status(broken));
  }
  void not_utf8() {
    StoredSource::Places places;
    places.files = {write("latin", "A: 1\n\n\xE9\n")};
    CPPUNIT_ASSERT(StoredSource::open(rules(), places, ""));
    const auto source = StoredSource::open(rules(), places, "as JSON has to be");
    CPPUNIT_ASSERT(!source);
    CPPUNIT_ASSERT(source.error().text.ends_with("latin: is not UTF-8; as JSON has to be"));
  }

  void generated_sizes() {
    GeneratedSource source(rules(), Distribution::parse("1-2000", 1, 1 << 20).value(), "Mon", "h.example");
    Mail mail;
    for (uint64_t i = 0; i < 500; ++i) {
      CPPUNIT_ASSERT(source.fill(i, 9, mail));
      const std::string text = text_of(mail);
      CPPUNIT_ASSERT(text.ends_with("\r\n"));
      const size_t end = text.find("\r\n\r\n");
      CPPUNIT_ASSERT(end != std::string::npos && end + 4 == mail.head.size());
      CPPUNIT_ASSERT(text.starts_with("From: <" + mail.sender + ">\r\nTo: <" + mail.recipients[0] + ">\r\n"));
    }
    GeneratedSource exact(rules(), Distribution::fixed(10240), "Mon", "h.example");
    CPPUNIT_ASSERT(exact.fill(3, 1, mail));
    CPPUNIT_ASSERT_EQUAL(size_t{10240}, mail.size());
  }
  void generated_again() {
    EnvelopeRules several = rules();
    several.recipients = Distribution::parse("1-40", 1, 100).value();
    GeneratedSource one(several, Distribution::parse("1-9000", 1, 1 << 20).value(), "Mon", "h");
    GeneratedSource same(several, Distribution::parse("1-9000", 1, 1 << 20).value(), "Mon", "h");
    Mail first;
    Mail second;
    CPPUNIT_ASSERT(one.fill(99, 1000, first));
    CPPUNIT_ASSERT(same.fill(3, 1000, second));  // in any order
    CPPUNIT_ASSERT(first.recipients != second.recipients);
    CPPUNIT_ASSERT(same.fill(99, 1000, second));
    CPPUNIT_ASSERT(first.recipients == second.recipients);
    CPPUNIT_ASSERT_EQUAL(text_of(first), text_of(second));
    CPPUNIT_ASSERT(same.fill(99, 1, second));
    CPPUNIT_ASSERT_EQUAL(size_t{1}, second.recipients.size());
  }
};

CPPUNIT_TEST_SUITE_REGISTRATION(SourceTest);

}  // namespace
}  // namespace impulse::ecinject
