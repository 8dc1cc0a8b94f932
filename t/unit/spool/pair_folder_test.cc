// Messages in files: what is in a folder is read as it was written, is not
// overwritten, and nothing outside of it is touched.
#include "spool/pair_folder.h"
#include "message/limits.h"
#include "pair_kit.h"
#include "spool/limits.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

using namespace impulse;
using namespace impulse::spool;

namespace {

class PairFolderTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(PairFolderTest);
  CPPUNIT_TEST(as_many_recipients_as_there_may_be);
  CPPUNIT_TEST(out_and_in_again);
  CPPUNIT_TEST(long_bodies_are_streamed);
  CPPUNIT_TEST(nothing_is_overwritten);
  CPPUNIT_TEST(what_is_no_folder_for_mail);
  CPPUNIT_TEST(links_are_not_followed);
  CPPUNIT_TEST(files_of_others);
  CPPUNIT_TEST(changed_while_they_are_read);
  CPPUNIT_TEST(documents_without_end);
  CPPUNIT_TEST(what_no_import_would_take);
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

  void as_many_recipients_as_there_may_be() {
    Stored stored = kit::pair_message();
    stored.envelope.recipients.clear();
    stored.states.clear();
    for (size_t i = 0; i < message::most_recipients; ++i) {
      stored.envelope.recipients.push_back({fmt::format("user{}@example.net", i), message::notify::never});
      stored.states.push_back({State::pending, 3, WallTime(Duration(1900000000000001)), "421 later"});
    }
    auto read = read_pair(write_pair(stored));
    CPPUNIT_ASSERT(read.has_value());
    CPPUNIT_ASSERT(read->envelope == stored.envelope && read->states == stored.states);
    PairFolder folder = open();
    CPPUNIT_ASSERT(folder.write(stored).value());
    const auto pair = folder.read("00000065-00000040-mx1", UINT64_MAX / 2, no_stream);
    CPPUNIT_ASSERT(pair && pair->incoming.envelope == stored.envelope && pair->incoming.states == stored.states);
    CPPUNIT_ASSERT_EQUAL(uint64_t{write_pair(stored).size()}, pair->document_size);
    // What comes from it fits into a batch.
    std::string journal;
    for (uint32_t i = 0; i < stored.states.size(); ++i) encode_entry({stored.id, i, stored.states[i]}, journal);
    CPPUNIT_ASSERT(journal.size() <= most_message_states && journal.size() <= pair->document_size);
    // One more is too many.
    stored.envelope.recipients.push_back({"postmaster"});
    stored.states.emplace_back();
    CPPUNIT_ASSERT(read_pair(write_pair(stored)).error().what == "more than 100000 recipients");
    stored.id.offset = 0x80;
    CPPUNIT_ASSERT(folder.write(stored).error().code == Errc::invalid);
    CPPUNIT_ASSERT(!std::filesystem::exists(path_ + "/00000065-00000080-mx1.eml"));
  }

  void out_and_in_again() {
    PairFolder folder = open();
    const Stored stored = kit::pair_message();
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
    Stored stored = kit::pair_message();
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
    Stored stored = kit::pair_message();
    CPPUNIT_ASSERT(folder.write(stored).value());
    CPPUNIT_ASSERT(!folder.write(stored).value());  // the same
    const std::string text = get("00000065-00000040-mx1.eml");
    const std::string document = get("00000065-00000040-mx1.json");
    stored.states[1].attempts = 4;
    CPPUNIT_ASSERT(folder.write(stored).error().code == Errc::exists);
    stored = kit::pair_message();
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
      CPPUNIT_ASSERT(folder.write(kit::pair_message()).error().code == Errc::exists);
      CPPUNIT_ASSERT(fault(folder, "00000065-00000040-mx1") != "");
      ::unlink(file.c_str());
    }
    ::unlink((name + ".eml").c_str());
    CPPUNIT_ASSERT(::symlink(outside.c_str(), (path_ + "/.00000065-00000040-mx1.eml.tmp").c_str()) == 0);
    CPPUNIT_ASSERT(folder.write(kit::pair_message()).value());
    CPPUNIT_ASSERT(::symlink(scratch_.path().c_str(), (path_ + "/done").c_str()) == 0);
    CPPUNIT_ASSERT(folder.make_done().error().code == Errc::invalid);
    CPPUNIT_ASSERT(::symlink(outside.c_str(), (path_ + "/import.token").c_str()) == 0);
    CPPUNIT_ASSERT(!folder.token());
    std::string text;
    std::ifstream(outside) >> text;
    CPPUNIT_ASSERT_EQUAL(std::string("precious"), text);
  }

  // Nothing that somebody could put there to have another file read, or a device opened, is taken.
  void files_of_others() {
    PairFolder folder = open();
    CPPUNIT_ASSERT(folder.write(kit::pair_message()));
    const std::string name = "00000065-00000040-mx1";
    for (const std::string suffix : {".eml", ".json"}) {
      const std::string file = path_ + "/" + name + suffix;
      const auto says = [&](std::string_view what) {
        const std::string said = fault(folder, name);
        CPPUNIT_ASSERT_MESSAGE(said, said.starts_with(name + suffix + ": ") && said.contains(what));
      };
      const std::string other = scratch_.path() + "/other" + suffix;
      CPPUNIT_ASSERT(::link(file.c_str(), other.c_str()) == 0);
      says("2 names (hard links)");
      ::unlink(other.c_str());
      ::chmod(file.c_str(), 0602);
      says("anybody may write to it");
      ::chmod(file.c_str(), 0600);
      CPPUNIT_ASSERT_EQUAL(std::string(), fault(folder, name));
      CPPUNIT_ASSERT(::rename(file.c_str(), other.c_str()) == 0);
      ::mkfifo(file.c_str(), 0600);
      says("not a regular file");
      ::unlink(file.c_str());
      ::mkdir(file.c_str(), 0700);
      says("not a regular file");
      ::rmdir(file.c_str());
      const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      CPPUNIT_ASSERT(file.size() < sizeof address.sun_path);
      file.copy(address.sun_path, file.size());
      CPPUNIT_ASSERT(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
      says("not a regular file");
      ::close(socket);
      ::unlink(file.c_str());
      if (::geteuid() == 0) {
        if (::mknod(file.c_str(), S_IFCHR | 0600, makedev(1, 5)) == 0) {  // /dev/zero
          says("not a regular file");
          ::unlink(file.c_str());
        }
        CPPUNIT_ASSERT(::rename(other.c_str(), file.c_str()) == 0);
        CPPUNIT_ASSERT(::chown(file.c_str(), 12345, 12345) == 0);
        says("belongs to user 12345");
        // The folder's owner may bring mail.
        CPPUNIT_ASSERT(::chown(path_.c_str(), 12345, 12345) == 0);
        CPPUNIT_ASSERT_EQUAL(std::string(), fault(folder, name));
        CPPUNIT_ASSERT(::chown(path_.c_str(), 0, 0) == 0 && ::chown(file.c_str(), 0, 0) == 0);
      } else {
        CPPUNIT_ASSERT(::rename(other.c_str(), file.c_str()) == 0);
      }
      CPPUNIT_ASSERT_EQUAL(std::string(), fault(folder, name));
    }
    // An export does not take them for its own either.
    CPPUNIT_ASSERT(::link((path_ + "/" + name + ".eml").c_str(), (scratch_.path() + "/other").c_str()) == 0);
    CPPUNIT_ASSERT(folder.write(kit::pair_message()).error().code == Errc::exists);
    CPPUNIT_ASSERT(::mkdir((path_ + "/done").c_str(), 0700) == 0 && ::chmod((path_ + "/done").c_str(), 0777) == 0);
    CPPUNIT_ASSERT(folder.make_done().error().code == Errc::denied);
    CPPUNIT_ASSERT(folder.make_done().error().code == Errc::denied);
  }

  void changed_while_they_are_read() {
    struct Nowhere final : message::BodySink {
      Result<> append(std::string_view bytes) override {
        all += bytes.size();
        return {};
      }
      uint64_t size() const override { return all; }
      uint64_t all = 0;
    };
    PairFolder folder = open();
    Stored stored = kit::pair_message();
    stored.body = kit::noise(1 << 20, 5);
    CPPUNIT_ASSERT(folder.write(stored));
    const std::string file = path_ + "/00000065-00000040-mx1.eml";
    const std::string text = get("00000065-00000040-mx1.eml");
    std::string document = get("00000065-00000040-mx1.json");
    // Without a checksum only the file's own times tell.
    document.erase(document.find("  \"crc32c\""), std::string_view("  \"crc32c\": \"00000000\",\n").size());
    put("00000065-00000040-mx1.json", document);
    const auto meanwhile = [&](const std::function<void()>& change) {
      put("00000065-00000040-mx1.eml", text);
      const timespec past[2] = {{1000000000, 0}, {1000000000, 0}};
      CPPUNIT_ASSERT(::utimensat(AT_FDCWD, file.c_str(), past, 0) == 0);
      const auto pair = folder.read("00000065-00000040-mx1", 1000, [&]() -> Result<std::unique_ptr<message::BodySink>> {
        change();
        return std::make_unique<Nowhere>();
      });
      return pair ? "" : pair.error().place() + ": " + pair.error().why.message;
    };
    CPPUNIT_ASSERT_EQUAL(std::string(), meanwhile([] {}));
    const std::string said = "00000065-00000040-mx1.eml: it was changed while it was read";
    CPPUNIT_ASSERT_EQUAL(said, meanwhile([&] { std::ofstream(file, std::ios::app) << "more"; }));
    CPPUNIT_ASSERT_EQUAL(said, meanwhile([&] { CPPUNIT_ASSERT(::truncate(file.c_str(), 5000) == 0); }));
    CPPUNIT_ASSERT_EQUAL(said, meanwhile([&] { std::fstream(file) << "X"; }));
    // Who takes it away, or puts another in its place, changes nothing of what is read.
    CPPUNIT_ASSERT_EQUAL(std::string(), meanwhile([&] { ::unlink(file.c_str()); }));
  }

  void documents_without_end() {
    PairFolder folder = open();
    put("sparse.eml", "");
    put("sparse.json", "{");
    CPPUNIT_ASSERT(::truncate((path_ + "/sparse.json").c_str(), static_cast<off_t>(max_document) + 1) == 0);
    CPPUNIT_ASSERT_EQUAL(fmt::format("sparse.json: more than {} bytes, which no document has", max_document),
                         fault(folder, "sparse"));
    CPPUNIT_ASSERT(::truncate((path_ + "/sparse.json").c_str(), static_cast<off_t>(max_document)) == 0);
    CPPUNIT_ASSERT_EQUAL(std::string("sparse.json:1:2: a name in quotes is expected"), fault(folder, "sparse"));
  }

  // It stays in the queue, where it can be delivered.
  void what_no_import_would_take() {
    PairFolder folder = open();
    Stored stored = kit::pair_message();
    stored.envelope.envid = "a b";
    const auto written = folder.write(stored);
    CPPUNIT_ASSERT(!written && written.error().code == Errc::invalid);
    CPPUNIT_ASSERT_MESSAGE(written.error().message, written.error().message.starts_with("no import would take it: "));
    CPPUNIT_ASSERT(folder.names()->empty());
  }

  void halves_and_changed_files() {
    PairFolder folder = open();
    CPPUNIT_ASSERT(folder.write(kit::pair_message()));
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
    CPPUNIT_ASSERT(folder.write(kit::pair_message()));
    CPPUNIT_ASSERT(!folder.retired(name));
    for (int again = 0; again < 2; ++again) CPPUNIT_ASSERT(folder.retire(name));
    CPPUNIT_ASSERT(folder.sync_done());
    CPPUNIT_ASSERT(folder.retired(name));
    CPPUNIT_ASSERT(folder.names()->empty());
    CPPUNIT_ASSERT(get("done/" + name + ".eml") == kit::pair_message().trace + kit::pair_message().body);
    // Half of it was moved when somebody died.
    ::rename((path_ + "/done/" + name + ".eml").c_str(), (path_ + "/" + name + ".eml").c_str());
    CPPUNIT_ASSERT(folder.retired(name));
    CPPUNIT_ASSERT(folder.retire(name));
    CPPUNIT_ASSERT(folder.names()->empty());
    CPPUNIT_ASSERT(folder.write(kit::pair_message()));
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
    put(name + ".eml", kit::pair_message().trace + kit::pair_message().body);
    CPPUNIT_ASSERT(folder.write(kit::pair_message()).value());
    // Where files cannot be renamed without a second name.
    CPPUNIT_ASSERT(::link((path_ + "/" + name + ".json").c_str(), (path_ + "/." + name + ".json.tmp").c_str()) == 0);
    CPPUNIT_ASSERT(!folder.write(kit::pair_message()).value());
    CPPUNIT_ASSERT_EQUAL(std::string(), fault(folder, name));
    put("." + name + ".json.tmp", "{");
    CPPUNIT_ASSERT(folder.names().value() == std::vector{name});
    CPPUNIT_ASSERT_EQUAL(std::string(), fault(folder, name));
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(PairFolderTest);

}  // namespace
