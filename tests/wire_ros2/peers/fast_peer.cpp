// A peer on Fast DDS 2.9 that shares no code with the runtime: `fast_peer DOMAIN ROLE [ARGUMENT]`.
// It says what happens in lines on its standard output, and ends when its standard input does or its work is done.
#include <fastcdr/Cdr.h>
#include <fastcdr/FastBuffer.h>
#include <fastdds/dds/domain/DomainParticipant.hpp>
#include <fastdds/dds/domain/DomainParticipantFactory.hpp>
#include <fastdds/dds/domain/DomainParticipantListener.hpp>
#include <fastdds/dds/publisher/DataWriter.hpp>
#include <fastdds/dds/publisher/Publisher.hpp>
#include <fastdds/dds/subscriber/DataReader.hpp>
#include <fastdds/dds/subscriber/SampleInfo.hpp>
#include <fastdds/dds/subscriber/Subscriber.hpp>
#include <fastdds/dds/topic/Topic.hpp>
#include <fastdds/dds/topic/TopicDataType.hpp>
#include <fastdds/rtps/transport/UDPv4TransportDescriptor.h>
#include <fastrtps/utils/IPLocator.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <iomanip>
#include <iostream>
#include <mutex>
#include <numeric>
#include <sstream>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace eprosima::fastdds::dds;
using eprosima::fastcdr::Cdr;
using eprosima::fastcdr::FastBuffer;
using Bytes = std::vector<uint8_t>;
using Clock = std::chrono::steady_clock;

static const uint32_t kWidth = 1920, kHeight = 1080, kStep = kWidth * 3;
static std::mutex g_out;

template <typename... Parts> void say(const Parts &...parts) {
  std::lock_guard<std::mutex> lock(g_out);
  using expand = int[];
  (void)expand{0, ((std::cout << parts), 0)...};
  std::cout << std::endl;
}

// Any type, as the bytes of its CDR.
class RawType : public TopicDataType {
 public:
  explicit RawType(const std::string &name, uint32_t size) {
    setName(name.c_str());
    m_typeSize = size;
    m_isGetKeyDefined = false;
    auto_fill_type_information(false);
    auto_fill_type_object(false);
  }
  bool serialize(void *data, eprosima::fastrtps::rtps::SerializedPayload_t *payload) override {
    const Bytes &bytes = *static_cast<Bytes *>(data);
    if (bytes.size() > payload->max_size) return false;
    std::memcpy(payload->data, bytes.data(), bytes.size());
    payload->length = static_cast<uint32_t>(bytes.size());
    payload->encapsulation = CDR_LE;
    return true;
  }
  bool deserialize(eprosima::fastrtps::rtps::SerializedPayload_t *payload, void *data) override {
    static_cast<Bytes *>(data)->assign(payload->data, payload->data + payload->length);
    return true;
  }
  std::function<uint32_t()> getSerializedSizeProvider(void *data) override {
    return [data]() { return static_cast<uint32_t>(static_cast<Bytes *>(data)->size()); };
  }
  void *createData() override { return new Bytes(); }
  void deleteData(void *data) override { delete static_cast<Bytes *>(data); }
  bool getKey(void *, eprosima::fastrtps::rtps::InstanceHandle_t *, bool) override { return false; }
};

// Serialises with Fast CDR, encapsulation included.
static Bytes encode(size_t room, const std::function<void(Cdr &)> &fill) {
  Bytes out(room);
  FastBuffer buffer(reinterpret_cast<char *>(out.data()), out.size());
  Cdr cdr(buffer, Cdr::LITTLE_ENDIANNESS, Cdr::DDS_CDR);
  cdr.serialize_encapsulation();
  fill(cdr);
  out.resize(cdr.getSerializedDataLength());
  return out;
}

static void decode(Bytes &data, const std::function<void(Cdr &)> &read) {
  FastBuffer buffer(reinterpret_cast<char *>(data.data()), data.size());
  Cdr cdr(buffer, Cdr::LITTLE_ENDIANNESS, Cdr::DDS_CDR);
  cdr.read_encapsulation();
  read(cdr);
}

static std::string hex(const uint8_t *data, size_t size) {
  std::ostringstream out;
  for (size_t i = 0; i < size; ++i) out << std::hex << std::setw(2) << std::setfill('0') << int(data[i]);
  return out.str();
}

static std::string hex_of(const eprosima::fastrtps::rtps::GUID_t &guid) {
  return hex(guid.guidPrefix.value, 12) + hex(guid.entityId.value, 4);
}

static Bytes gid_of(const eprosima::fastrtps::rtps::GUID_t &guid) {
  Bytes out(guid.guidPrefix.value, guid.guidPrefix.value + 12);
  out.insert(out.end(), guid.entityId.value, guid.entityId.value + 4);
  return out;
}

// Says what is discovered, with the user data.
class Watcher : public DomainParticipantListener {
 public:
  bool loud = false;
  template <typename Info> void endpoint(const char *what, const char *change, const Info &info) {
    std::string data(info.m_qos.m_userData.begin(), info.m_qos.m_userData.end());
    say(change, " ", what, " ", std::string(info.topicName()), " ", std::string(info.typeName()), " ",
        hex_of(info.guid()), " ", info.m_qos.m_deadline.period.to_ns(), " ", info.m_qos.m_durability.kind, " ",
        info.m_qos.m_reliability.kind, " ", data);
  }
  void on_participant_discovery(DomainParticipant *,
                                eprosima::fastrtps::rtps::ParticipantDiscoveryInfo &&info) override {
    if (!loud) return;
    std::string data(info.info.m_userData.begin(), info.info.m_userData.end());
    const bool there = info.status == eprosima::fastrtps::rtps::ParticipantDiscoveryInfo::DISCOVERED_PARTICIPANT;
    say(there ? "there" : "gone", " participant ", hex_of(info.info.m_guid), " ", data);
  }
  void on_publisher_discovery(DomainParticipant *, eprosima::fastrtps::rtps::WriterDiscoveryInfo &&info) override {
    using Info = eprosima::fastrtps::rtps::WriterDiscoveryInfo;
    if (loud) endpoint("writer", info.status == Info::DISCOVERED_WRITER ? "there" : "gone", info.info);
  }
  void on_subscriber_discovery(DomainParticipant *, eprosima::fastrtps::rtps::ReaderDiscoveryInfo &&info) override {
    using Info = eprosima::fastrtps::rtps::ReaderDiscoveryInfo;
    if (loud) endpoint("reader", info.status == Info::DISCOVERED_READER ? "there" : "gone", info.info);
  }
};

class Peer;

class Heard : public DataReaderListener {
 public:
  std::function<void(Bytes &, const SampleInfo &)> handle;
  std::atomic<int> matched{0};
  void on_data_available(DataReader *reader) override {
    SampleInfo info;
    while (reader->take_next_sample(&data_, &info) == ReturnCode_t::RETCODE_OK)
      if (info.valid_data) handle(data_, info);
  }
  void on_subscription_matched(DataReader *, const SubscriptionMatchedStatus &status) override {
    matched = status.current_count;
    say("matched ", status.current_count);
  }

 private:
  Bytes data_;
};

class Said : public DataWriterListener {
 public:
  std::atomic<int> matched{0};
  void on_publication_matched(DataWriter *, const PublicationMatchedStatus &status) override {
    matched = status.current_count;
    say("matched ", status.current_count);
  }
};

class Peer {
 public:
  explicit Peer(int domain, bool loud) {
    watcher_.loud = loud;
    DomainParticipantQos qos = PARTICIPANT_QOS_DEFAULT;
    auto udp = std::make_shared<eprosima::fastdds::rtps::UDPv4TransportDescriptor>();
    udp->interfaceWhiteList = {"127.0.0.1"};
    udp->sendBufferSize = udp->receiveBufferSize = 64 << 20;
    qos.transport().use_builtin_transports = false;
    qos.transport().user_transports.push_back(udp);
    for (int index = 0; index < 8; ++index) {
      eprosima::fastrtps::rtps::Locator_t locator;
      eprosima::fastrtps::rtps::IPLocator::setIPv4(locator, 127, 0, 0, 1);
      locator.port = 7400 + 250 * domain + 10 + 2 * index;
      qos.wire_protocol().builtin.initialPeersList.push_back(locator);
    }
    qos.wire_protocol().builtin.discovery_config.leaseDuration_announcementperiod = {0, 200000000};
    std::string enclave = "enclave=/;";
    qos.user_data().data_vec(Bytes(enclave.begin(), enclave.end()));
    StatusMask mask = StatusMask::none();
    participant_ = DomainParticipantFactory::get_instance()->create_participant(domain, qos, &watcher_, mask);
    publisher_ = participant_->create_publisher(PUBLISHER_QOS_DEFAULT);
    subscriber_ = participant_->create_subscriber(SUBSCRIBER_QOS_DEFAULT);
  }
  ~Peer() {
    participant_->delete_contained_entities();
    DomainParticipantFactory::get_instance()->delete_participant(participant_);
  }

  DataWriter *writer(const std::string &topic, const std::string &type, Said &listener, uint32_t size,
                     int depth = 10, bool kept = false, const std::string &user_data = "") {
    DataWriterQos qos = DATAWRITER_QOS_DEFAULT;
    qos.reliability().kind = RELIABLE_RELIABILITY_QOS;
    qos.reliability().max_blocking_time = {30, 0};
    qos.durability().kind = kept ? TRANSIENT_LOCAL_DURABILITY_QOS : VOLATILE_DURABILITY_QOS;
    qos.history().kind = KEEP_LAST_HISTORY_QOS;
    qos.history().depth = depth;
    qos.data_sharing().off();
    qos.publish_mode().kind = size > 60000 ? ASYNCHRONOUS_PUBLISH_MODE : SYNCHRONOUS_PUBLISH_MODE;
    qos.endpoint().history_memory_policy = eprosima::fastrtps::rtps::PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
    qos.reliable_writer_qos().times.heartbeatPeriod = {0, 20000000};
    qos.user_data().data_vec(Bytes(user_data.begin(), user_data.end()));
    return publisher_->create_datawriter(topic_of(topic, type, size), qos, &listener);
  }
  DataReader *reader(const std::string &topic, const std::string &type, Heard &listener, uint32_t size,
                     int depth = 10, bool kept = false, const std::string &user_data = "") {
    DataReaderQos qos = DATAREADER_QOS_DEFAULT;
    qos.reliability().kind = RELIABLE_RELIABILITY_QOS;
    qos.durability().kind = kept ? TRANSIENT_LOCAL_DURABILITY_QOS : VOLATILE_DURABILITY_QOS;
    qos.history().kind = KEEP_LAST_HISTORY_QOS;
    qos.history().depth = depth;
    qos.data_sharing().off();
    qos.endpoint().history_memory_policy = eprosima::fastrtps::rtps::PREALLOCATED_WITH_REALLOC_MEMORY_MODE;
    qos.user_data().data_vec(Bytes(user_data.begin(), user_data.end()));
    return subscriber_->create_datareader(topic_of(topic, type, size), qos, &listener);
  }
  DomainParticipant *participant() { return participant_; }

 private:
  Topic *topic_of(const std::string &name, const std::string &type, uint32_t size) {
    TypeSupport(new RawType(type, size)).register_type(participant_);
    return participant_->create_topic(name, type, TOPIC_QOS_DEFAULT);
  }
  Watcher watcher_;
  DomainParticipant *participant_;
  Publisher *publisher_;
  Subscriber *subscriber_;
};

static void until(const std::function<bool()> &condition) {
  while (!condition()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

static void until_closed() {
  std::string line;
  while (std::getline(std::cin, line)) {
  }
}

// Says hello until the other side has heard it: a volatile reader gets nothing from before the first heartbeat.
static void greet(DataWriter *writer, Bytes hello) {
  std::atomic<bool> heard{false};
  std::thread listening([&] {
    std::string line;
    std::getline(std::cin, line);
    heard = true;
  });
  while (!heard) {
    writer->write(&hello);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  listening.join();
}

static Bytes image(uint32_t number) {
  Bytes pixels(size_t(kStep) * kHeight);
  for (size_t i = 0; i < pixels.size(); i += 4096) pixels[i] = uint8_t(number + i / 4096);
  return encode(pixels.size() + 256, [&](Cdr &cdr) {
    cdr << int32_t(1700000000) << number << std::string("camera") << kHeight << kWidth << std::string("bgr8")
        << uint8_t(0) << kStep << pixels;
  });
}

static void listen_string(Peer &peer, int count) {
  Heard heard;
  std::atomic<int> got{0};
  heard.handle = [&](Bytes &data, const SampleInfo &) {
    std::string text;
    decode(data, [&](Cdr &cdr) { cdr >> text; });
    say("string ", text);
    ++got;
  };
  peer.reader("rt/chatter", "std_msgs::msg::dds_::String_", heard, 1024, 100);
  say("ready");
  until([&] { return got >= count; });
}

static void talk_string(Peer &peer, int count) {
  Said said;
  DataWriter *writer = peer.writer("rt/chatter", "std_msgs::msg::dds_::String_", said, 1024, 1000);
  say("ready");
  until([&] { return said.matched > 0; });
  greet(writer, encode(256, [](Cdr &cdr) { cdr << std::string("hello"); }));
  for (int i = 0; i < count; ++i) {
    Bytes data = encode(256, [&](Cdr &cdr) { cdr << "from Fast DDS " + std::to_string(i); });
    writer->write(&data);
  }
  writer->wait_for_acknowledgments({20, 0});
  say("sent ", count);
  until_closed();
}

static void listen_image(Peer &peer, int count) {
  Heard heard;
  std::atomic<int> got{0};
  Clock::time_point first, last;
  heard.handle = [&](Bytes &data, const SampleInfo &info) {
    uint32_t number = 0, height = 0, width = 0, step = 0, size = 0;
    int32_t seconds = 0;
    std::string frame, encoding;
    uint8_t big = 0;
    bool good = true;
    auto read = [&](Cdr &cdr) {
      cdr >> seconds >> number >> frame >> height >> width >> encoding >> big >> step >> size;
      // The pixels where they lie: a copy of 6 MB is not what is measured here.
      const uint8_t *pixels = reinterpret_cast<const uint8_t *>(cdr.getCurrentPosition());
      good = seconds == 1700000000 && frame == "camera" && encoding == "bgr8" && height == kHeight &&
             width == kWidth && step == kStep && size == kStep * kHeight &&
             pixels + size <= data.data() + data.size();
      for (size_t i = 0; good && i < size; i += 4096) good = pixels[i] == uint8_t(number + i / 4096);
    };
    try {
      decode(data, read);
    } catch (const std::exception &error) {
      say("no image: ", data.size(), " bytes, number ", info.sample_identity.sequence_number().to64long(), " ", hex(data.data(), std::min<size_t>(data.size(), 64)));
      good = false;
    }
    last = Clock::now();
    if (got == 0) first = last;
    say("image ", number, " ", good ? "good" : "bad");
    ++got;
  };
  peer.reader("rt/camera/image", "sensor_msgs::msg::dds_::Image_", heard, 7 << 20, 50);
  say("ready");
  until([&] { return got >= count; });
  say("fps ", (count - 1) / std::chrono::duration<double>(last - first).count());
}

static void talk_image(Peer &peer, int count) {
  Said said;
  DataWriter *writer = peer.writer("rt/camera/image", "sensor_msgs::msg::dds_::Image_", said, 7 << 20, 10);
  say("ready");
  until([&] { return said.matched > 0; });
  greet(writer, Bytes(image(0xFFFFFFFF)));
  const auto start = Clock::now();
  for (int i = 0; i < count; ++i) {
    Bytes data = image(uint32_t(i));
    writer->write(&data);
    writer->wait_for_acknowledgments({20, 0});
  }
  say("fps ", count / std::chrono::duration<double>(Clock::now() - start).count());
  until_closed();
}

// std_srvs/srv/SetBool, with the header of rmw_cyclonedds written by hand.
static const char *kRequest = "std_srvs::srv::dds_::SetBool_Request_", *kReply = "std_srvs::srv::dds_::SetBool_Response_";

static void serve(Peer &peer) {
  Said said;
  Heard heard;
  DataWriter *writer = peer.writer("rr/set_boolReply", kReply, said, 1024, 100, false, "serviceid=1.2.3;");
  heard.handle = [&](Bytes &data, const SampleInfo &) {
    uint64_t client = 0;
    int64_t sequence = 0;
    bool value = false;
    decode(data, [&](Cdr &cdr) { cdr >> client >> sequence >> value; });
    say("request ", sequence, " ", value);
    Bytes reply = encode(256, [&](Cdr &cdr) {
      cdr << client << sequence << value << std::string(value ? "switched on" : "switched off");
    });
    writer->write(&reply);
  };
  peer.reader("rq/set_boolRequest", kRequest, heard, 1024, 100, false, "serviceid=1.2.3;");
  say("ready");
  until_closed();
}

static void call(Peer &peer, int count, const std::string &user_data) {
  Said said;
  Heard heard;
  std::atomic<int> got{0};
  heard.handle = [&](Bytes &data, const SampleInfo &) {
    uint64_t client = 0;
    int64_t sequence = 0;
    bool success = false;
    std::string message;
    decode(data, [&](Cdr &cdr) { cdr >> client >> sequence >> success >> message; });
    say("reply ", client, " ", sequence, " ", success, " ", message);
    ++got;
  };
  peer.reader("rr/set_boolReply", kReply, heard, 1024, 100, false, user_data);
  DataWriter *writer = peer.writer("rq/set_boolRequest", kRequest, said, 1024, 100, false, user_data);
  say("ready");
  until([&] { return said.matched > 0 && heard.matched > 0; });
  for (int i = 1; i <= count; ++i) {
    Bytes request =
        encode(64, [&](Cdr &cdr) { cdr << uint64_t(0xC0FFEE) << int64_t(i) << bool(i % 2); });
    writer->write(&request);
    until([&] { return got >= i; });
  }
}

// Says what is discovered, and what ros_discovery_info tells.
static void graph(Peer &peer) {
  Heard heard;
  heard.handle = [&](Bytes &data, const SampleInfo &) {
    decode(data, [&](Cdr &cdr) {
      auto gid = [&] {
        uint8_t bytes[16];
        for (uint8_t &byte : bytes) cdr >> byte;
        return hex(bytes, 16);
      };
      std::string participant = gid();
      uint32_t nodes = 0;
      cdr >> nodes;
      say("info ", participant, " ", nodes);
      for (uint32_t node = 0; node < nodes; ++node) {
        std::string space, name, line;
        cdr >> space >> name;
        for (const char *what : {" reader ", " writer "}) {
          uint32_t count = 0;
          cdr >> count;
          for (uint32_t i = 0; i < count; ++i) line += what + gid();
        }
        say("node ", space, " ", name, line);
      }
    });
  };
  peer.reader("ros_discovery_info", "rmw_dds_common::msg::dds_::ParticipantEntitiesInfo_", heard, 8192, 10, true);
  say("ready");
  until_closed();
}

// A node by hand: /fast/fast_node publishes /from_fast and subscribes /to_fast.
static void node(Peer &peer) {
  Said said, told;
  Heard heard;
  heard.handle = [](Bytes &, const SampleInfo &) {};
  const std::string type = "std_msgs::msg::dds_::String_";
  DataWriter *writer = peer.writer("rt/from_fast", type, said, 1024);
  DataReader *reader = peer.reader("rt/to_fast", type, heard, 1024);
  DataWriter *info = peer.writer("ros_discovery_info", "rmw_dds_common::msg::dds_::ParticipantEntitiesInfo_", told,
                                 8192, 1, true);
  Bytes data = encode(1024, [&](Cdr &cdr) {
    for (uint8_t byte : gid_of(peer.participant()->guid())) cdr << byte;
    cdr << uint32_t(1) << std::string("/fast") << std::string("fast_node") << uint32_t(1);
    for (uint8_t byte : gid_of(reader->guid())) cdr << byte;
    cdr << uint32_t(1);
    for (uint8_t byte : gid_of(writer->guid())) cdr << byte;
  });
  info->write(&data);
  say("ready ", hex_of(writer->guid()), " ", hex_of(reader->guid()));
  until_closed();
}

int main(int argc, char **argv) {
  if (argc < 3) return 2;
  const std::string role = argv[2];
  const int count = argc > 3 ? std::atoi(argv[3]) : 0;
  // Whoever started this process closes its input when it goes away.
  Peer peer(std::atoi(argv[1]), role == "graph");
  if (role == "listen_string") listen_string(peer, count);
  else if (role == "talk_string") talk_string(peer, count);
  else if (role == "listen_image") listen_image(peer, count);
  else if (role == "talk_image") talk_image(peer, count);
  else if (role == "serve") serve(peer);
  else if (role == "call") call(peer, count, argc > 4 ? argv[4] : "");
  else if (role == "graph") graph(peer);
  else if (role == "node") node(peer);
  else return 2;
  say("done");
  return 0;
}
