"""Faces of parts: rendered ones with known defects, and photographs that ride the belt as parts."""
