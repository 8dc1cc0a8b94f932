// Files on a disk: read, read again, gone, broken.
#include "auth/files.h"
#include "base/files.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cppunit/extensions/HelperMacros.h>

#include <cstdlib>

using namespace impulse;
using namespace impulse::auth;
using namespace std::string_literals;

namespace {

class FilesTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(FilesTest);
  CPPUNIT_TEST(kept_while_the_file_is_the_same);
  CPPUNIT_TEST(read_again_when_it_changed);
  CPPUNIT_TEST(a_bad_change_is_not_taken);
  CPPUNIT_TEST(a_file_that_is_gone_has_nobody_in_it);
  CPPUNIT_TEST(inspected_before_use);
  CPPUNIT_TEST_SUITE_END();

  std::string folder_;
  std::vector<std::string> said_;
  std::unique_ptr<Files> files_;

 public:
  void setUp() override {
    char name[] = "/tmp/auth_files_XXXXXX";
    folder_ = ::mkdtemp(name);
    said_.clear();
    files_ = std::make_unique<Files>([this](std::string_view text) { said_.emplace_back(text); });
  }
  void tearDown() override {
    ::unlink(path().c_str());
    ::rmdir(folder_.c_str());
  }

 private:
  std::string path() const { return folder_ + "/passwords"; }
  void write(std::string_view text, mode_t mode = 0600) { CPPUNIT_ASSERT(replace_file(path(), text, mode)); }

  void kept_while_the_file_is_the_same() {
    write("alice:one\n");
    const auto first = files_->credentials(Format::file, path());
    CPPUNIT_ASSERT(first->find("alice", ""));
    CPPUNIT_ASSERT(first == files_->credentials(Format::file, path()));
    CPPUNIT_ASSERT(said_.empty());
  }
  void read_again_when_it_changed() {
    write("alice:one\n");
    files_->credentials(Format::file, path());
    write("alice:two\n");
    CPPUNIT_ASSERT_EQUAL("two"s, files_->credentials(Format::file, path())->find("alice", "")->password);
    write("admin:alice\n");
    CPPUNIT_ASSERT_EQUAL("admin"s, files_->groups(path())->of("alice").front());
    write("ops:alice\n");
    CPPUNIT_ASSERT_EQUAL("ops"s, files_->groups(path())->of("alice").front());
  }
  void a_bad_change_is_not_taken() {
    write("alice:one\n");
    files_->credentials(Format::file, path());
    write("alice:geheim\nbroken\n");
    CPPUNIT_ASSERT_EQUAL("one"s, files_->credentials(Format::file, path())->find("alice", "")->password);
    files_->credentials(Format::file, path());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, said_.size());  // once for each version
    CPPUNIT_ASSERT(said_.front().find(":2:") != std::string::npos);
    CPPUNIT_ASSERT(said_.front().find("geheim") == std::string::npos);
    write("alice:three\n");
    CPPUNIT_ASSERT_EQUAL("three"s, files_->credentials(Format::file, path())->find("alice", "")->password);
  }
  void a_file_that_is_gone_has_nobody_in_it() {
    write("alice:one\n");
    files_->credentials(Format::file, path());
    CPPUNIT_ASSERT_EQUAL(0, ::unlink(path().c_str()));
    CPPUNIT_ASSERT(!files_->credentials(Format::file, path())->find("alice", ""));
    files_->credentials(Format::file, path());
    CPPUNIT_ASSERT_EQUAL(size_t{1}, said_.size());
    write("alice:two\n");
    CPPUNIT_ASSERT(files_->credentials(Format::file, path())->find("alice", ""));
  }
  void inspected_before_use() {
    CPPUNIT_ASSERT(!Files::inspect_credentials(Format::file, path()).readable);
    CPPUNIT_ASSERT(!Files::inspect_groups(folder_).readable);
    write("alice:one\nbob\n", 0644);
    const auto verdict = Files::inspect_credentials(Format::file, path());
    CPPUNIT_ASSERT(verdict.readable && verdict.bad.size() == 1 && !verdict.warning.empty());
    write("admin:alice\n", 0600);
    const auto groups = Files::inspect_groups(path());
    CPPUNIT_ASSERT(groups.readable && groups.bad.empty() && groups.warning.empty());
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(FilesTest);

}  // namespace
