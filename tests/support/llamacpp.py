"""llama.cpp's own server, as the prebuilt xllamacpp has it, on PORT with the model in FILE."""

import sys
import time

import xllamacpp

asked = xllamacpp.CommonParams()
asked.port, asked.model.path = int(sys.argv[1]), sys.argv[2]
asked.hostnames = ["127.0.0.1"]
asked.n_parallel, asked.n_ctx = 4, 4096
asked.cpuparams.n_threads = asked.cpuparams_batch.n_threads = 1  # two would wait for each other on a busy machine
asked.warmup = False
# What is remembered of earlier prompts moves the last digits of an answer.
asked.cache_prompt = False
server = xllamacpp.Server(asked)
print(server.listening_address, flush=True)
while True:
    time.sleep(60)
