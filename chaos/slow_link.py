"""Carries Ethernet frames between two links; those to or from some addresses late, or not at all.

    slow_link.py LINK LINK DELAY_SECONDS LOSS ADDRESS...

Frames keep their offload header (PACKET_VNET_HDR), so that nothing has to be switched off.
"""

import heapq
import random
import select
import socket
import sys
import time

SOL_PACKET, PACKET_VNET_HDR, PACKET_OUTGOING = 263, 15, 4
VNET_HDR_BYTES, FRAME_MAX = 10, 80000
ETH_P_ALL, ETH_P_IP = 3, b"\x08\x00"


def open_link(name):
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    link.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    link.bind((name, 0))
    return link


def is_meant(frame, addresses):
    packet = frame[VNET_HDR_BYTES:]
    return packet[12:14] == ETH_P_IP and (packet[26:30] in addresses or packet[30:34] in addresses)


def main():
    links = [open_link(sys.argv[1]), open_link(sys.argv[2])]
    delay_s, loss = float(sys.argv[3]), float(sys.argv[4])
    addresses = {socket.inet_aton(address) for address in sys.argv[5:]}
    waiting, number = [], 0
    while True:
        timeout = max(0, waiting[0][0] - time.monotonic()) if waiting else None
        for link in select.select(links, [], [], timeout)[0]:
            frame, origin = link.recvfrom(FRAME_MAX)
            if origin[2] == PACKET_OUTGOING:
                continue
            other = links[1 - links.index(link)]
            if not is_meant(frame, addresses):
                send(other, frame)
            elif random.random() >= loss:
                number += 1
                heapq.heappush(waiting, (time.monotonic() + delay_s, number, other, frame))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, other, frame = heapq.heappop(waiting)
            send(other, frame)


def send(link, frame):
    try:
        link.send(frame)
    except OSError:
        pass  # a link that is down loses frames, as links do


main()
