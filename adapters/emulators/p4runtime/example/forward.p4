/* A small learning aid: bridge by MAC address, or route IPv4, and count what goes out. */
#include <core.p4>
#include <v1model.p4>

header ethernet_t { bit<48> dst; bit<48> src; bit<16> kind; }
header ipv4_t {
    bit<4> version; bit<4> ihl; bit<8> tos; bit<16> length; bit<16> id; bit<3> flags; bit<13> offset;
    bit<8> ttl; bit<8> protocol; bit<16> checksum; bit<32> src; bit<32> dst;
}
struct headers_t { ethernet_t ethernet; ipv4_t ipv4; }
struct metadata_t { }

parser Parse(packet_in packet, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    state start {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.kind) { 0x0800: ipv4; default: accept; }
    }
    state ipv4 { packet.extract(hdr.ipv4); transition accept; }
}

control Check(inout headers_t hdr, inout metadata_t meta) { apply { } }

control Forward(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    counter(512, CounterType.packets_and_bytes) sent;

    action drop() { mark_to_drop(std); }
    action send(bit<9> port) { std.egress_spec = port; sent.count((bit<32>)port); }
    action route(bit<48> next_hop, bit<9> port) {
        hdr.ethernet.dst = next_hop;
        std.egress_spec = port;
        sent.count((bit<32>)port);
    }
    table mac { key = { hdr.ethernet.dst: exact; } actions = { send; drop; } size = 1024; default_action = drop(); }
    table ipv4 { key = { hdr.ipv4.dst: lpm; } actions = { route; drop; } size = 1024; default_action = drop(); }

    apply { if (hdr.ipv4.isValid()) { ipv4.apply(); } else { mac.apply(); } }
}

control Out(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) { apply { } }
control Sum(inout headers_t hdr, inout metadata_t meta) { apply { } }
control Deparse(packet_out packet, in headers_t hdr) { apply { packet.emit(hdr.ethernet); packet.emit(hdr.ipv4); } }

V1Switch(Parse(), Check(), Forward(), Out(), Sum(), Deparse()) main;
