"""Read sound files: recognise their kind, find where their samples begin and end, name what cannot be read.

`audio` reads samples, `source` opens what wav.scp names, `file` opens a sound for libsndfile. `kinds` recognises
files by their first bytes; `header`, `extent`, `frames` and `mpeg` find the samples; `pieces` are parts of a file;
`decoder_noise` keeps decoders off the terminal. `perturbation` and `rooms` change a sound.
"""
