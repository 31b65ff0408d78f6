# The jobs of the lab's application, run by a real Sidekiq. Every job has a number, and appends it to `begun` before
# it works and to `done` when it has worked: one write each, which a kill of the process cannot take back.
require "sidekiq"
require "socket"

Sidekiq.configure_server { |config| config.logger.level = Logger::WARN }

module Numbered
  HERE = __dir__
  BEGUN = File.open(File.join(HERE, "begun"), File::WRONLY | File::APPEND | File::CREAT)
  DONE = File.open(File.join(HERE, "done"), File::WRONLY | File::APPEND | File::CREAT)

  def self.included(base)
    base.include(Sidekiq::Worker)
  end

  def perform(number, millis, *rest)
    BEGUN.syswrite("#{number} #{Process.pid}\n")
    work(millis / 1000.0, *rest)
    DONE.syswrite("#{number} #{Process.pid}\n")
  end
end

# Waits for something, as most jobs do.
class DeliverWorker
  include Numbered
  def work(seconds)
    sleep(seconds)
  end
end

class NotifyWorker < DeliverWorker; end

class FetchWorker < DeliverWorker; end

# Hangs for long, then fails, and comes back: a link to a page that never ends.
class PreviewWorker
  include Numbered
  def work(seconds)
    sleep(seconds)
    raise IOError, "the page never ended"
  end
end

# Asks another service and waits for what it says.
class RelayWorker
  include Numbered
  def work(seconds, host, port)
    TCPSocket.open(host, port) do |line|
      line.puts(seconds)
      line.gets or raise IOError, "no answer"
    end
  end
end

class StatsWorker < RelayWorker; end

# Computes: what it needs is a processor.
class CountWorker
  include Numbered
  def work(seconds)
    until_ = Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) + seconds
    1000.times { |n| n * n } while Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) < until_
  end
end
