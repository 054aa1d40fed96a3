"""The local stack: the real template, deployed by the real SAM CLI to an AWS that MiniStack emulates.

`home` (files and the record), `tools` (the emulator's and the SAM CLI's own environments), `server` (the emulator),
`deployment` (build and deploy), `gaps` (what the emulator lacks), `stack` (up and down), `commands`.
"""
