// What ConsoleService does about messages between the spool, files and the queue.
#include "delivery/porter.h"
#include "server/awaited.h"
#include "server/console_service.h"
#include "server/spool_import.h"

#include <latch>
#include <memory>
#include <utility>

namespace impulse::server {

namespace {

class Export final : public control::CarryErrand {
 public:
  explicit Export(std::shared_ptr<delivery::Carriage> carriage) : carriage_(std::move(carriage)) {}

  control::CarryProgress progress() override {
    delivery::CarryProgress now = carriage_->progress();
    control::CarryProgress progress{now.messages, now.bytes,   now.there, now.in_flight,         now.gone,
                                    now.removed,  now.refused, {},        std::move(now.failed), now.ended};
    for (std::string& line : now.refusals) progress.refusals.push_back({{}, std::move(line)});
    return progress;
  }

 private:
  std::shared_ptr<delivery::Carriage> carriage_;
};

class Import final : public control::CarryErrand {
 public:
  explicit Import(std::shared_ptr<SpoolImport> import) : import_(std::move(import)) {}
  ~Import() override { import_->cancel(); }
  Import(const Import&) = delete;
  Import& operator=(const Import&) = delete;
  control::CarryProgress progress() override { return import_->progress(); }

 private:
  std::shared_ptr<SpoolImport> import_;
};

}  // namespace

std::unique_ptr<control::CarryErrand> ConsoleService::export_messages(control::ExportOrder order) {
  delivery::CarryOrder passed{std::move(order.folder),
                              std::move(order.queue),
                              std::move(order.sender),
                              std::move(order.recipient),
                              order.age,
                              std::move(order.content),
                              order.dry_run,
                              order.remove};
  std::shared_ptr<delivery::Carriage> carriage;
  std::latch begun(1);
  parts_.delivery_loop.post([&] {
    carriage = parts_.dispatcher.carry(std::move(passed));
    begun.count_down();
  });
  begun.wait();
  return std::make_unique<Export>(std::move(carriage));
}

std::unique_ptr<control::CarryErrand> ConsoleService::import_messages(control::ImportOrder order) {
  auto import = std::make_shared<SpoolImport>(
      SpoolImport::Parts{parts_.main, readers(), parts_.spool, parts_.injector, parts_.log}, std::move(order));
  import->start();
  return std::make_unique<Import>(std::move(import));
}

std::unique_ptr<control::Awaited<bool>> ConsoleService::spool_in(MessageId id) {
  auto shared = std::make_shared<Answered<bool>::Shared>();
  parts_.delivery_loop.post([shared, id, &dispatcher = parts_.dispatcher] {
    dispatcher.spool_in(id, [shared](Result<bool> queued) { shared->set(std::move(queued)); });
  });
  return std::make_unique<Answered<bool>>(std::move(shared));
}

}  // namespace impulse::server
