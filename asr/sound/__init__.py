"""Sound files: which kind a file is of, where its samples begin and end, and what cannot be read.

`file` opens a sound: asr.sound.audio reads samples with it. `kinds` tells kinds by their first bytes; `header`,
`extent`, `frames` and `mpeg` measure the samples that are there; `decoder_noise` keeps decoders off the terminal.
"""
