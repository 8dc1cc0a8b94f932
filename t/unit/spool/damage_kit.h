// A spool of one segment, of which the tests of damage have the bytes.
#pragma once

#include "fake_disk.h"
#include "kit.h"

#include "spool/segment_reader.h"
#include "spool/segment_writer.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace impulse::spool::kit {

class DamageFixture : public CppUnit::TestFixture {
 protected:
  std::shared_ptr<FakeDisk> disk_ = std::make_shared<FakeDisk>(3);
  Log log_;
  Settings settings_{.base = "/spool", .min_free_percent = 0};
  Tuning tuning_{.zero_ahead = 0, .probe_every = Duration(1000), .space_every = Duration(1000), .seconds = nullptr};
  std::map<MessageId, std::string> bodies_;
  std::string path_;     // of the segment with the messages
  std::string content_;  // and how it was

  Opened open() { return kit::open(disk_, settings_, tuning_, log_.sink()); }

  // Some messages and one outcome in one segment; closed in order, or killed.
  void fill(bool sealed, const std::vector<std::string>& bodies = {"first body", std::string(90, 'b'), ""}) {
    bodies_.clear();
    {
      auto spool = open();
      for (const std::string& body : bodies) bodies_[accept(*spool, message(body, 2))] = body;
      record(*spool, bodies_.begin()->first, 1, outcome(State::failed, 1, "no"));
      if (!sealed) disk_->die_now();
    }
    disk_->restart(false);
    path_ = "/spool/" + segment_name(bodies_.begin()->first.segment);
    content_ = disk_->content(path_);
  }
  // A spool with only that segment, in that state.
  void put_back(std::string content) {
    disk_ = std::make_shared<FakeDisk>(3);
    disk_->set_content(path_, std::move(content));
  }
  // How many of the messages are live, all of them right when read or refused
  // as damaged; nothing else may be.
  size_t intact(const Opened& spool) {
    size_t good = 0;
    for (const Summary& summary : spool.live) {
      CPPUNIT_ASSERT(bodies_.contains(summary.id));
      const auto stored = spool->read(summary.id);
      if (stored) {
        CPPUNIT_ASSERT(stored->body == bodies_[summary.id]);
        CPPUNIT_ASSERT(stored->envelope == summary.envelope);
        CPPUNIT_ASSERT_EQUAL(size_t{2}, summary.states.size());
        ++good;
      } else {
        CPPUNIT_ASSERT(stored.error().code == Errc::invalid);
      }
    }
    return good;
  }
};

}  // namespace impulse::spool::kit
