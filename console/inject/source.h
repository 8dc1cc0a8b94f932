// Source: where the messages of a run come from. A message is a function of its
// index, so that it can be sent again, and by any connection.
#pragma once

#include "console/inject/distribution.h"
#include "console/inject/failure.h"
#include "console/inject/filler.h"
#include "console/inject/mail.h"
#include "console/inject/mbox.h"
#include "console/inject/pattern.h"

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace impulse::ecinject {

struct EnvelopeRules {
  AddressPattern sender;
  AddressPattern recipient;
  Naming naming;
  Distribution recipients = Distribution::fixed(1);
  uint64_t seed = 0;
};

class Source {
 public:
  explicit Source(EnvelopeRules rules) : rules_(std::move(rules)) {}
  virtual ~Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  // How many there are before they repeat; 0: they do not.
  virtual uint64_t count() const { return 0; }
  // At most `most_recipients` of them. Fails with EX_NOINPUT when a file is gone, or was changed.
  Outcome<> fill(uint64_t index, uint64_t most_recipients, Mail& mail);

 protected:
  virtual Outcome<> fill_content(Random& random, Mail& mail) = 0;

 private:
  EnvelopeRules rules_;
};

class GeneratedSource final : public Source {
 public:
  // `date`: of all messages, as a Date field has it. `host`: for Message-ID.
  GeneratedSource(EnvelopeRules rules, Distribution sizes, std::string date, std::string host);

 protected:
  Outcome<> fill_content(Random& random, Mail& mail) override;

 private:
  Distribution sizes_;
  std::string date_;
  std::string host_;
  uint64_t seed_;
  Filler filler_;
};

class StoredSource final : public Source {
 public:
  // What is to be sent, in this order. "-" is standard input.
  struct Places {
    std::vector<std::string> files;  // a message each
    std::vector<std::string> mboxes;
    std::vector<std::string> maildirs;
    Quoting quoting = Quoting::mboxrd;
  };
  // Reads all of it once, so that what is wrong is known before anything goes.
  // EX_NOINPUT: something cannot be read, or is no message. `need_utf8`: why
  // messages have to be UTF-8; empty: they need not.
  static Outcome<std::unique_ptr<StoredSource>> open(EnvelopeRules rules, const Places& places,
                                                     std::string_view need_utf8);
  explicit StoredSource(EnvelopeRules rules) : Source(std::move(rules)) {}

  uint64_t count() const override { return items_.size(); }
  bool eight_bit() const { return eight_bit_; }

 protected:
  Outcome<> fill_content(Random& random, Mail& mail) override;

 private:
  struct Item {
    size_t path = 0;  // in paths_
    uint64_t from = 0;
    uint64_t size = 0;
    Quoting quoting = Quoting::none;
    std::shared_ptr<const Text> text;  // kept, or null
  };
  Outcome<> add_file(const std::string& path);
  Outcome<> add_mbox(const std::string& path, Quoting quoting);
  Outcome<> add(std::string_view bytes, Item item, std::string_view place);

  std::vector<std::string> paths_;
  std::vector<Item> items_;
  std::string need_utf8_;
  uint64_t kept_ = 0;  // octets in memory
  bool eight_bit_ = false;
};

}  // namespace impulse::ecinject
