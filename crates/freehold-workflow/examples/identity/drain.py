"""Scores Drain3 on a stream that `identity write FILE` wrote; needs `pip install drain3`.

Usage: python drain.py FILE
"""
import json
import sys
from collections import Counter

from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig


def b_cubed(ids, sites):
    found, truth, both = Counter(ids), Counter(sites), Counter(zip(ids, sites))
    precision = sum(both[pair] / found[pair[0]] for pair in zip(ids, sites)) / len(ids)
    recall = sum(both[pair] / truth[pair[1]] for pair in zip(ids, sites)) / len(ids)
    return precision, recall


calls = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
sites = [call["site"] for call in calls]
for similarity in (0.4, 0.6, 0.8, 0.9):
    for depth in (4, 8):
        config = TemplateMinerConfig()
        config.drain_sim_th, config.drain_depth = similarity, depth
        miner = TemplateMiner(config=config)
        ids = [miner.add_log_message(" ".join(call["system"].split()))["cluster_id"] for call in calls]
        precision, recall = b_cubed(ids, sites)
        f1 = 2 * precision * recall / (precision + recall)
        print(f"| Drain3, similarity {similarity}, depth {depth} | {precision:.3f} | {recall:.3f} | {f1:.3f} |")
