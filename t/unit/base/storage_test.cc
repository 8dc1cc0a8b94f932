#include "base/bytes.h"
#include "base/chunks.h"
#include "base/crc32c.h"
#include "base/files.h"
#include "base/id.h"

#include <cppunit/extensions/HelperMacros.h>

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

using namespace impulse;

namespace {

class StorageTest : public CppUnit::TestFixture {
  CPPUNIT_TEST_SUITE(StorageTest);
  CPPUNIT_TEST(buffer_is_a_queue);
  CPPUNIT_TEST(chunks_keep_order_and_size);
  CPPUNIT_TEST(crc32c_check_value);
  CPPUNIT_TEST(ids);
  CPPUNIT_TEST(files_are_replaced_whole);
  CPPUNIT_TEST_SUITE_END();

  void buffer_is_a_queue() {
    ByteBuffer buffer;
    std::string model;
    for (int i = 0; i < 2000; ++i) {
      const std::string piece(static_cast<size_t>(i * 7 % 301), static_cast<char>('a' + i % 26));
      buffer.append(piece);
      model += piece;
      const size_t take = static_cast<size_t>(i * 13) % (model.size() + 1);
      buffer.consume(take);
      model.erase(0, take);
      CPPUNIT_ASSERT_EQUAL(model.size(), buffer.size());
      CPPUNIT_ASSERT(buffer.view() == model);
    }
  }
  void chunks_keep_order_and_size() {
    for (const size_t block : {1U, 17U, 4096U, 16384U}) {
      Chunks chunks(block);
      std::string model;
      for (int i = 0; i < 200; ++i) {
        const std::string piece(static_cast<size_t>(i * 37 % 501), static_cast<char>('a' + i % 26));
        chunks.append(piece);
        model += piece;
      }
      CPPUNIT_ASSERT_EQUAL(model.size(), chunks.size());
      CPPUNIT_ASSERT(chunks.to_string() == model);
      std::string joined;
      for (const auto part : chunks.parts()) {
        CPPUNIT_ASSERT(!part.empty());
        joined += part;
      }
      CPPUNIT_ASSERT(joined == model);
    }
  }
  void crc32c_check_value() {
    CPPUNIT_ASSERT_EQUAL(0xE3069283U, crc32c(0, "123456789"));
    CPPUNIT_ASSERT_EQUAL(crc32c(0, "123456789"), crc32c(crc32c(0, "1234"), "56789"));
    CPPUNIT_ASSERT_EQUAL(0x8A9136AAU, crc32c(0, std::string(32, '\0')));  // RFC 3720 B.4
  }
  void ids() {
    const MessageId id{0x6734AF21, 0x3F2A0};
    CPPUNIT_ASSERT_EQUAL(std::string("6734AF21/0003F2A0-mx1"), id.to_string("mx1"));
    CPPUNIT_ASSERT_EQUAL(id.to_string("mx1").size(), MessageId::text_length("mx1"));
    CPPUNIT_ASSERT(MessageId::parse("6734AF21/0003F2A0-mx1") == id);
    CPPUNIT_ASSERT(MessageId::parse("6734af21/0003f2a0") == id);
    for (const char* text :
         {"", "6734AF21", "6734AF21/0003F2A", "6734AF21/0003F2A0x", "6734AF2G/0003F2A0", "-734AF21/0003F2A0"})
      CPPUNIT_ASSERT_MESSAGE(text, !MessageId::parse(text));
  }
  void files_are_replaced_whole() {
    char folder[] = "/tmp/impulse-base-XXXXXX";
    CPPUNIT_ASSERT(::mkdtemp(folder));
    const std::string path = std::string(folder) + "/a/b/file";
    CPPUNIT_ASSERT(make_directories(std::string(folder) + "/a/b", 0755));
    CPPUNIT_ASSERT(replace_file(path, "one", 0600));
    CPPUNIT_ASSERT(replace_file(path, "two", 0640));
    CPPUNIT_ASSERT_EQUAL(std::string("two"), *read_file(path));
    struct stat status{};
    CPPUNIT_ASSERT(::stat(path.c_str(), &status) == 0);
    CPPUNIT_ASSERT_EQUAL(0640U, status.st_mode & 0777U);
    CPPUNIT_ASSERT(!read_file(path, 2));
    CPPUNIT_ASSERT(read_file(path + "x").error().code == Errc::not_found);
    CPPUNIT_ASSERT(!read_file(folder));
    CPPUNIT_ASSERT(!make_directories(path + "/c", 0755));
    std::filesystem::remove_all(folder);
  }
};
CPPUNIT_TEST_SUITE_REGISTRATION(StorageTest);

}  // namespace
