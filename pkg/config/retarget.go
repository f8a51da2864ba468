package config

// Retarget removes, from every mapping below the node whose _target_ was set
// elsewhere, the keys that still come from the file of defaults: they are the
// arguments of the class that the defaults name, not of the one chosen instead.
func Retarget(n *Node, defaults string) {
	target, ok := n.Get(TargetKey)
	if ok && target.origin.File != defaults {
		for _, key := range n.Keys() {
			if c := n.child(key); c != nil && c.origin.File == defaults {
				n.remove(key)
			}
		}
	}
	for _, c := range n.children {
		Retarget(c, defaults)
	}
}
