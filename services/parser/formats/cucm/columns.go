package cucm

import "strings"

// field is a column that has a meaning of its own here; the others are
// attributes.
type field uint8

const (
	recordType field = iota
	callManager
	callID
	origLeg
	destLeg
	origination
	connect
	disconnect
	duration
	calling
	callingURI
	callingUser
	mobileCalling
	originalCalled
	originalCalledURI
	finalCalled
	finalCalledURI
	finalCalledUser
	mobileCalled
	outpulsedCalled
	lastRedirect
	origDevice
	destDevice
	origDeviceType
	destDeviceType
	origSpan
	destSpan
	origCause
	destCause
	origEndedBy
	destEndedBy
	origRedirectedBy
	lastRedirectedBy
	origRedirectReason
	lastRedirectReason
	joinedBy
	cluster
	pkid
	matterCode
	huntPilot
	patternUsage
	wasQueued
	queueWait
	fields
)

// names are the columns' names in normal form (see normal), as files and
// documents of the releases 6 to 15 print them.
var names = map[string]field{
	"cdrrecordtype":                      recordType,
	"globalcallidcallmanagerid":          callManager,
	"globalcallidcallid":                 callID,
	"origlegcallidentifier":              origLeg,
	"origlegidentifier":                  origLeg,
	"destlegidentifier":                  destLeg,
	"destlegcallidentifier":              destLeg,
	"datetimeorigination":                origination,
	"datetimeconnect":                    connect,
	"datetimedisconnect":                 disconnect,
	"duration":                           duration,
	"callingpartynumber":                 calling,
	"callingpartynumberuri":              callingURI,
	"callingpartyunicodeloginuserid":     callingUser,
	"callingpartyloginuserid":            callingUser,
	"mobilecallingpartynumber":           mobileCalling,
	"originalcalledpartynumber":          originalCalled,
	"origcalledpartynumber":              originalCalled,
	"originalcalledpartynumberuri":       originalCalledURI,
	"finalcalledpartynumber":             finalCalled,
	"finalcalledpartynumberuri":          finalCalledURI,
	"finalcalledpartyunicodeloginuserid": finalCalledUser,
	"finalcalledpartyloginuserid":        finalCalledUser,
	"finalmobilecalledpartynumber":       mobileCalled,
	"outpulsedcalledpartynumber":         outpulsedCalled,
	"lastredirectdn":                     lastRedirect,
	"origdevicename":                     origDevice,
	"destdevicename":                     destDevice,
	"origdevicetype":                     origDeviceType,
	"destdevicetype":                     destDeviceType,
	"origspan":                           origSpan,
	"destspan":                           destSpan,
	"origcausevalue":                     origCause,
	"destcausevalue":                     destCause,
	"origcallterminationonbehalfof":      origEndedBy,
	"destcallterminationonbehalfof":      destEndedBy,
	"origcalledpartyredirectonbehalfof":  origRedirectedBy,
	"lastredirectredirectonbehalfof":     lastRedirectedBy,
	"origcalledpartyredirectreason":      origRedirectReason,
	"lastredirectredirectreason":         lastRedirectReason,
	"joinonbehalfof":                     joinedBy,
	"globalcallidclusterid":              cluster,
	"pkid":                               pkid,
	"clientmattercode":                   matterCode,
	"huntpilotdn":                        huntPilot,
	"calledpartypatternusage":            patternUsage,
	"wascallqueued":                      wasQueued,
	"totalwaittimeinqueue":               queueWait,
}

// numeric fields hold a whole number, or nothing.
var numeric = [...]field{
	destLeg, origination, connect, disconnect, duration, origCause, destCause, origEndedBy, destEndedBy, origRedirectedBy, lastRedirectedBy,
	origRedirectReason, lastRedirectReason, joinedBy, patternUsage, wasQueued, queueWait,
}

// numericToo are columns without a meaning here that hold one: they show where
// a column is missing.
var numericToo = map[string]bool{
	"orignodeid": true, "destnodeid": true, "origprecedencelevel": true, "destprecedencelevel": true,
	"origmediatransportaddressport": true, "destmediatransportaddressport": true, "destconversationid": true, "origconversationid": true,
	"authorizationlevel": true, "callsecuredstatus": true, "currentroutingreason": true, "mobilecalltype": true,
}

// required columns: without them a file is no file of call records.
var required = [...]struct {
	field field
	name  string
}{
	{recordType, "cdrRecordType"},
	{callID, "globalCallID_callId"},
	{origination, "dateTimeOrigination"},
	{connect, "dateTimeConnect"},
	{disconnect, "dateTimeDisconnect"},
	{calling, "callingPartyNumber"},
	{finalCalled, "finalCalledPartyNumber"},
	{origDevice, "origDeviceName"},
	{destDevice, "destDeviceName"},
}

// attributeToo are the fields whose text is kept as an attribute beside what it
// is used for.
var attributeToo = map[field]bool{
	destLeg: true, callingURI: true, originalCalledURI: true, finalCalledURI: true, mobileCalling: true, mobileCalled: true,
	outpulsedCalled: true, origDevice: true, destDevice: true, origDeviceType: true, destDeviceType: true,
	origCause: true, destCause: true, origEndedBy: true, destEndedBy: true,
	origRedirectedBy: true, lastRedirectedBy: true, origRedirectReason: true, lastRedirectReason: true,
	joinedBy: true, pkid: true, patternUsage: true,
}

// normal is a name's letters and digits, lower case: releases and documents
// write `globalCallId_ClusterID` and `globalCallID_ClusterId`.
func normal(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		}
		return -1
	}, name)
}

// snake is the attribute's name of a column: `origMediaCap_g723BitRate` is
// orig_media_cap_g723_bit_rate.
func snake(name string) string {
	var b strings.Builder
	upper := func(i int) bool { return i < len(name) && name[i] >= 'A' && name[i] <= 'Z' }
	lower := func(i int) bool { return i < len(name) && name[i] >= 'a' && name[i] <= 'z' }
	for i := range len(name) {
		switch c := name[i]; {
		case upper(i):
			// A word begins behind a small letter or digit, and with the last
			// capital of an abbreviation.
			if i > 0 && b.Len() > 0 && name[i-1] != '_' && (!upper(i-1) || lower(i+1)) {
				b.WriteByte('_')
			}
			b.WriteByte(c + 'a' - 'A')
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			b.WriteByte(c)
		case b.Len() > 0 && c == '_':
			b.WriteByte('_')
		}
	}
	return b.String()
}

// positions are the columns of release 12.5 and later, in the order of the file:
// for files whose head has no names. Releases 9 to 11 print the first 129.
var positions = strings.Fields(`
	cdrRecordType globalCallID_callManagerId globalCallID_callId origLegCallIdentifier dateTimeOrigination
	origNodeId origSpan origIpAddr callingPartyNumber callingPartyUnicodeLoginUserID origCause_location
	origCause_value origPrecedenceLevel origMediaTransportAddress_IP origMediaTransportAddress_Port
	origMediaCap_payloadCapability origMediaCap_maxFramesPerPacket origMediaCap_g723BitRate origVideoCap_Codec
	origVideoCap_Bandwidth origVideoCap_Resolution origVideoTransportAddress_IP origVideoTransportAddress_Port
	origRSVPAudioStat origRSVPVideoStat destLegIdentifier destNodeId destSpan destIpAddr originalCalledPartyNumber
	finalCalledPartyNumber finalCalledPartyUnicodeLoginUserID destCause_location destCause_value
	destPrecedenceLevel destMediaTransportAddress_IP destMediaTransportAddress_Port destMediaCap_payloadCapability
	destMediaCap_maxFramesPerPacket destMediaCap_g723BitRate destVideoCap_Codec destVideoCap_Bandwidth
	destVideoCap_Resolution destVideoTransportAddress_IP destVideoTransportAddress_Port destRSVPAudioStat
	destRSVPVideoStat dateTimeConnect dateTimeDisconnect lastRedirectDn pkid originalCalledPartyNumberPartition
	callingPartyNumberPartition finalCalledPartyNumberPartition lastRedirectDnPartition duration origDeviceName
	destDeviceName origCallTerminationOnBehalfOf destCallTerminationOnBehalfOf origCalledPartyRedirectOnBehalfOf
	lastRedirectRedirectOnBehalfOf origCalledPartyRedirectReason lastRedirectRedirectReason destConversationId
	globalCallId_ClusterID joinOnBehalfOf comment authCodeDescription authorizationLevel clientMatterCode
	origDTMFMethod destDTMFMethod callSecuredStatus origConversationId origMediaCap_Bandwidth
	destMediaCap_Bandwidth authorizationCodeValue outpulsedCallingPartyNumber outpulsedCalledPartyNumber
	origIpv4v6Addr destIpv4v6Addr origVideoCap_Codec_Channel2 origVideoCap_Bandwidth_Channel2
	origVideoCap_Resolution_Channel2 origVideoTransportAddress_IP_Channel2 origVideoTransportAddress_Port_Channel2
	origVideoChannel_Role_Channel2 destVideoCap_Codec_Channel2 destVideoCap_Bandwidth_Channel2
	destVideoCap_Resolution_Channel2 destVideoTransportAddress_IP_Channel2 destVideoTransportAddress_Port_Channel2
	destVideoChannel_Role_Channel2 IncomingProtocolID IncomingProtocolCallRef OutgoingProtocolID
	OutgoingProtocolCallRef currentRoutingReason origRoutingReason lastRedirectingRoutingReason huntPilotPartition
	huntPilotDN calledPartyPatternUsage IncomingICID IncomingOrigIOI IncomingTermIOI OutgoingICID OutgoingOrigIOI
	OutgoingTermIOI outpulsedOriginalCalledPartyNumber outpulsedLastRedirectingNumber wasCallQueued
	totalWaitTimeInQueue callingPartyNumber_uri originalCalledPartyNumber_uri finalCalledPartyNumber_uri
	lastRedirectDn_uri mobileCallingPartyNumber finalMobileCalledPartyNumber origMobileDeviceName
	destMobileDeviceName origMobileCallDuration destMobileCallDuration mobileCallType originalCalledPartyPattern
	finalCalledPartyPattern lastRedirectingPartyPattern huntPilotPattern origDeviceType destDeviceType
	origDeviceSessionID destDeviceSessionID
`)
