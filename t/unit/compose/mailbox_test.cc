#include "compose/mailbox.h"

#include "kit.h"

using namespace impulse;
using namespace impulse::compose;

namespace {

class MailboxTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(MailboxTest);
  CPPUNIT_TEST(addresses);
  CPPUNIT_TEST(bad_addresses);
  CPPUNIT_TEST(lists);
  CPPUNIT_TEST(bad_lists);
  CPPUNIT_TEST(written);
  CPPUNIT_TEST(written_is_read_again);
  CPPUNIT_TEST_SUITE_END();

  void addresses() {
    const std::pair<std::string_view, std::string> table[] = {
        {"a@b.example", "a@b.example"},
        {"A.B+c@B.Example", "A.B+c@B.Example"},
        {"\"a b\"@c.example", "\"a b\"@c.example"},
        {"a@[192.0.2.1]", "a@[192.0.2.1]"},
        {"a@bücher.example", "a@xn--bcher-kva.example"},  // needs no SMTPUTF8
        {"ü@bücher.example", "ü@bücher.example"},
    };
    for (const auto& [text, address] : table) {
      const auto checked = checked_address(text);
      CPPUNIT_ASSERT_MESSAGE(std::string(text), checked.has_value());
      CPPUNIT_ASSERT_EQUAL(address, *checked);
    }
    CPPUNIT_ASSERT(!checked_address("a@[192.0.2.1]", true, false));
    CPPUNIT_ASSERT(!checked_address("a..b@c.example"));
    CPPUNIT_ASSERT(checked_address("a..b@c.example", false));
  }

  void bad_addresses() {
    using namespace std::string_view_literals;
    for (const std::string_view bad :
         {""sv, "a"sv, "a@"sv, "@b.example"sv, "a b@c.example"sv, "<a@b.example>"sv, "a@b.example>"sv,
          "a@b.example> SIZE=1"sv, "a@b@c.example"sv, "@x.example:a@b.example"sv, "a@b.example\r\nBcc: x@y.example"sv,
          "a@b.example\n"sv, "a\0@b.example"sv, "postmaster"sv, "a@b.example,c@d.example"sv, "a@\xff.example"sv,
          "a@b..c"sv})
      CPPUNIT_ASSERT_MESSAGE(std::string(bad), !checked_address(bad));
    CPPUNIT_ASSERT(!checked_address(std::string(65, 'a') + "@b.example"));
  }

  void lists() {
    const auto all = parse_mailboxes(
        " a@b.example , Plain Name <c@d.example>,\"Quoted, \\\"Name\\\" <x>\" <e@f.example>,<g@h.example>, "
        "J\xC3\xB6rg <j@k.example> , \"a,b\"@c.example");
    CPPUNIT_ASSERT(all.has_value());
    const std::vector<Mailbox> expected{
        {"", "a@b.example"}, {"Plain Name", "c@d.example"}, {"Quoted, \"Name\" <x>", "e@f.example"},
        {"", "g@h.example"}, {"Jörg", "j@k.example"},       {"", "\"a,b\"@c.example"}};
    CPPUNIT_ASSERT(expected == *all);
    CPPUNIT_ASSERT(parse_mailbox("Christmas Sales <sales@flintstone.com>").value() ==
                   (Mailbox{"Christmas Sales", "sales@flintstone.com"}));
  }

  void bad_lists() {
    for (const std::string_view bad :
         {"", " ", ",", "a@b.example,", ",a@b.example", "a@b.example,,c@d.example", "name", "name <a@b.example",
          "name a@b.example>", "n <a@b.example> x", "\"n <a@b.example>", "n <>", "n <a@b.example> <c@d.example>",
          "group: a@b.example;"})
      CPPUNIT_ASSERT_MESSAGE(std::string(bad), !parse_mailboxes(bad));
    CPPUNIT_ASSERT(!parse_mailbox("a@b.example, c@d.example"));
  }

  void written() {
    const std::pair<Mailbox, std::string> table[] = {
        {{"", "a@b.example"}, "a@b.example"},
        {{"Plain Name", "a@b.example"}, "Plain Name <a@b.example>"},
        {{"Na, me", "a@b.example"}, "\"Na, me\" <a@b.example>"},
        {{"a\\\"b <x@y>", "a@b.example"}, "\"a\\\\\\\"b <x@y>\" <a@b.example>"},
        {{"Jörg", "a@b.example"}, "=?UTF-8?Q?J=C3=B6rg?= <a@b.example>"},
        {{"=?utf-8?q?J=C3=B6rg?=", "a@b.example"}, "=?utf-8?q?J=C3=B6rg?= <a@b.example>"},
    };
    for (const auto& [mailbox, text] : table) CPPUNIT_ASSERT_EQUAL(text, to_header(mailbox));
  }

  void written_is_read_again() {
    for (const std::string_view name : {"Plain", "a \"b\" \\ c", "<x@y.example>, z", "(c) ; : @ [x]", "tab\tin it"}) {
      const Mailbox mailbox{std::string(name), "a@b.example"};
      const auto again = parse_mailboxes(to_header(mailbox) + ", " + to_header(mailbox));
      CPPUNIT_ASSERT_MESSAGE(std::string(name), again.has_value());
      CPPUNIT_ASSERT((std::vector<Mailbox>{mailbox, mailbox}) == *again);
    }
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(MailboxTest);

}  // namespace
