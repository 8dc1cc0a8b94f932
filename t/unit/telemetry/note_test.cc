// Which header fields and values a record of the JSON log has, and how they are read.
#include "telemetry/note.h"

#include "message/limits.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace impulse;
using telemetry::Choice;
using telemetry::Note;

namespace {

Note::Pairs headers(const std::vector<std::string>& names, std::string_view message, std::string_view trace = {},
                    size_t cut = SIZE_MAX) {
  std::vector<std::string_view> parts;
  for (; !message.empty(); message.remove_prefix(std::min(cut, message.size())))
    parts.push_back(message.substr(0, cut));
  return telemetry::chosen_headers({names, {}}, trace, parts);
}

std::string shown(const Note::Pairs& pairs) {
  std::string text;
  for (const auto& [name, value] : pairs) text += name + "=" + value + "|";
  return text;
}

}  // namespace

class NoteTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(NoteTest);
  CPPUNIT_TEST(by_name);
  CPPUNIT_TEST(by_wildcard);
  CPPUNIT_TEST(unfolded);
  CPPUNIT_TEST(any_cutting);
  CPPUNIT_TEST(the_trace_goes_first);
  CPPUNIT_TEST(hostile_sections);
  CPPUNIT_TEST(bounds);
  CPPUNIT_TEST(of_an_envelope);
  CPPUNIT_TEST_SUITE_END();

  void by_name() {
    const std::string message = "Subject: hello\r\nX-Job:7\r\nsubject : again\r\nTo: x\r\n\r\nSubject: body\r\n";
    CPPUNIT_ASSERT_EQUAL(std::string("Subject=hello|subject=again|"), shown(headers({"SUBJECT"}, message)));
    CPPUNIT_ASSERT_EQUAL(std::string("X-Job=7|To=x|"), shown(headers({"to", "x-job"}, message)));
    CPPUNIT_ASSERT_EQUAL(std::string(), shown(headers({}, message)));
    CPPUNIT_ASSERT_EQUAL(std::string(), shown(headers({"Sub", "Subjects", ""}, message)));
  }

  void by_wildcard() {
    const std::string message = "X-A: 1\r\nX-Ab-C: 2\r\nY-X-: 3\r\nX: 4\r\n\r\n";
    CPPUNIT_ASSERT_EQUAL(std::string("X-A=1|X-Ab-C=2|"), shown(headers({"x-*"}, message)));
    CPPUNIT_ASSERT_EQUAL(std::string("X-A=1|X-Ab-C=2|Y-X-=3|X=4|"), shown(headers({"*"}, message)));
    CPPUNIT_ASSERT_EQUAL(std::string("X-Ab-C=2|"), shown(headers({"*-A*-*"}, message)));
    CPPUNIT_ASSERT_EQUAL(std::string("X-Ab-C=2|"), shown(headers({"*a*-c"}, message)));
    CPPUNIT_ASSERT_EQUAL(std::string("Y-X-=3|"), shown(headers({"*x*-"}, message)));
    CPPUNIT_ASSERT_EQUAL(std::string("X-A=1|X-Ab-C=2|"), shown(headers({"x**-a**"}, message)));
  }

  void unfolded() {
    CPPUNIT_ASSERT_EQUAL(std::string("Subject=a  b\tc|"),
                         shown(headers({"subject"}, "Subject:\r\n a \r\n b\r\n\tc\r\n \r\nTo: x\r\n\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string("Subject=|"), shown(headers({"subject"}, "Subject:\r\n\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string("Subject==?UTF-8?Q?=C3=A4?=|"),
                         shown(headers({"subject"}, "Subject: =?UTF-8?Q?=C3=A4?=\r\n\r\n")));
    // Bare LFs, and a section without its end.
    CPPUNIT_ASSERT_EQUAL(std::string("Subject=a b|To=x|"), shown(headers({"*"}, "Subject: a\n b\nTo: x")));
  }

  void any_cutting() {
    const std::string message = "Subject: hello\r\n there\r\nX-Other: 1\r\n 2\r\nSubject: two\r\n\r\nSubject: body\r\n";
    for (size_t cut = 1; cut < message.size(); ++cut)
      CPPUNIT_ASSERT_EQUAL(std::string("Subject=hello there|Subject=two|"),
                           shown(headers({"subject"}, message, {}, cut)));
  }

  void the_trace_goes_first() {
    CPPUNIT_ASSERT_EQUAL(std::string("Date=now|Received=theirs|"),
                         shown(headers({"*"}, "Received: theirs\r\n\r\n", "Received: ours\r\n\tx\r\nDate: now\r\n")));
  }

  void hostile_sections() {
    CPPUNIT_ASSERT_EQUAL(
        std::string("To=x|"),
        shown(headers({"*"}, "From x Mon 10:00\r\n folded\r\nno colon\r\n: no name\r\nTo: x\r\n\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string(), shown(headers({"*"}, "\r\nSubject: body\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string("B=2|"), shown(headers({"*"}, " folds nothing\r\nB: 2\r\n\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string(), shown(headers({"*"}, std::string("\0:x\r\n\x80:y\r\n", 10))));
    const std::string name(50000, 'a');
    CPPUNIT_ASSERT_EQUAL(std::string("B=2|"), shown(headers({"*"}, name + ": 1\r\nB: 2\r\n\r\n")));
    std::string stars;
    for (int i = 0; i < 30; ++i) stars += "*a";
    CPPUNIT_ASSERT_EQUAL(std::string(), shown(headers({stars + "b"}, std::string(2000, 'a') + ": 1\r\n\r\n")));
  }

  void bounds() {
    const auto folded = [](size_t lines) {
      std::string text = "Subject: x\r\n";
      for (size_t i = 0; i < lines; ++i) text += " " + std::string(70, 'y') + "\r\n";
      return text + "To: x\r\n\r\n";
    };
    const Note::Pairs lengthy = headers({"*"}, folded(20000));
    CPPUNIT_ASSERT_EQUAL(size_t{2}, lengthy.size());
    CPPUNIT_ASSERT(lengthy[0].second.size() > 1024 && lengthy[0].second.size() < 1100);
    std::string many;
    for (int i = 0; i < 1000; ++i) many += "X: 1\r\n";
    CPPUNIT_ASSERT_EQUAL(message::most_chosen_headers, headers({"x"}, many).size());
    // A name that is cut is chosen as it is then: note_of() sees no more of it.
    const std::string longest(1025, 'w');
    CPPUNIT_ASSERT_EQUAL(longest + "=1|", shown(headers({"w*"}, longest + "wwa: 1\r\n\r\n")));
    CPPUNIT_ASSERT_EQUAL(std::string(), shown(headers({"*a"}, longest + "wwa: 1\r\n\r\n")));
    std::string large;
    for (int i = 0; i < 90; ++i) large += "X: " + std::string(1000, 'x') + "\r\n";
    CPPUNIT_ASSERT_EQUAL(message::most_chosen_header_bytes / 1001, headers({"x"}, large).size());
  }

  void of_an_envelope() {
    message::Envelope envelope;
    envelope.context = {{"job", "1"}, {"Job", "2"}, {"metadata.a", "3"}};
    envelope.headers = {{"SUBJECT", "s"}, {"X-a", "1"}, {"Other", "o"}};
    auto note = telemetry::note_of({{"Subject", "x-*"}, {"job", "metadata.*"}}, envelope);
    CPPUNIT_ASSERT_EQUAL(std::string("Subject=s|X-a=1|"), shown(*note->headers));
    CPPUNIT_ASSERT_EQUAL(std::string("job=1|metadata.a=3|"), shown(*note->meta));
    // However many an imported one has.
    envelope.headers.assign(20000, {"x-y", "1"});
    note = telemetry::note_of({{"x-*"}, {}}, envelope);
    CPPUNIT_ASSERT_EQUAL(message::most_chosen_headers, note->headers->size());
    note = telemetry::note_of({{}, {"none"}}, envelope);
    CPPUNIT_ASSERT(!note->headers && note->meta->empty());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(NoteTest);
